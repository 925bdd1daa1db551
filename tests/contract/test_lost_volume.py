"""The volume is gone from below a server: nothing is pushed beside it, and nothing is "unknown"."""

from __future__ import annotations

import os
import shutil

import pytest

from holm_registry.content.registry import Registry
from holm_registry.gc.collection import Collection, CollectionOptions
from holm_registry.gc.uploads import purge_uploads
from holm_registry.gc.usage import measure
from holm_registry.oci.digest import Digest
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout, volume
from holm_registry.storage.errors import VolumeLost
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.verify.verification import Verification, VerificationOptions

from ..images import descriptor, image
from ..stores import pull, push, push_blob

IMAGE = image(b"c", [b"1"])
SIGNATURE = image(b"c", [], subject=descriptor(IMAGE, "a/b"))


class Mount:
    """A folder that can be taken away, as an unmount does, and come back."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._away = f"{path}.away"

    def unmount(self, below: str | None = None) -> None:
        """Show what lies below: nothing, or another store."""
        os.rename(self.path, self._away)
        if below is None:
            os.mkdir(self.path)
        else:
            shutil.copytree(below, self.path)

    def mount(self) -> None:
        """Show the volume again."""
        shutil.rmtree(self.path)
        os.rename(self._away, self.path)


@pytest.fixture(params=[True, False], ids=["marked", "read-only"])
def store(request, tmp_path, monkeypatch):
    monkeypatch.setattr(volume, "_LOOK_SECONDS", 0.0)
    os.mkdir(tmp_path / "root")
    store = FilesystemDriver(str(tmp_path / "root"))
    store.mark()
    assert os.listdir(tmp_path / "root") == [], "nothing is put on an empty volume"
    push(Registry(store), "a", "v1", IMAGE, b"c", b"1")
    push(Registry(store), "a", None, SIGNATURE)
    store = FilesystemDriver(str(tmp_path / "root"))
    if request.param:
        store.mark()
    return store


@pytest.fixture
def mount(tmp_path):
    return Mount(str(tmp_path / "root"))


USES = {
    "pull": lambda registry: pull(registry, "a", "v1"),
    "head": lambda registry: registry.blobs.stat("a", Digest.of(b"1")),
    "peek": lambda registry: registry.manifests.cached("a", "v1"),
    "tags": lambda registry: registry.tags.page("a", PageRequest()),
    "catalog": lambda registry: registry.catalog.page(PageRequest(10)),
    "referrers": lambda registry: registry.referrers.page("a", Digest.of(IMAGE)),
    "begin": lambda registry: registry.uploads.start("b"),
    "push": lambda registry: push_blob(registry, "b", b"new"),
    "manifest": lambda registry: registry.manifests.put("a", "v2", IMAGE),
    "delete tag": lambda registry: registry.tags.delete("a", "v1"),
    "delete manifest": lambda registry: registry.manifests.delete("a", Digest.of(IMAGE)),
    "delete blob": lambda registry: registry.blobs.delete("a", Digest.of(b"1")),
}


@pytest.mark.parametrize("use", USES)
def test_nothing_is_read_or_written_until_it_is_back(store, mount, use):
    registry = Registry(store)
    session = registry.uploads.open("a", registry.uploads.start("a"))
    session.append([b"sent"])
    mount.unmount()
    with pytest.raises(VolumeLost, match="not mounted"):
        USES[use](registry)
    with pytest.raises(VolumeLost):
        session.commit(Digest.of(b"sent"))
    session.close()
    assert os.listdir(mount.path) == []
    mount.mount()
    USES[use](registry)


def test_another_store_below_is_not_taken_for_it(store, mount, tmp_path):
    os.mkdir(tmp_path / "below")
    below = FilesystemDriver(str(tmp_path / "below"))
    push(Registry(below), "old", "v1", IMAGE, b"c", b"1")
    FilesystemDriver(str(tmp_path / "below")).mark()
    registry = Registry(store)
    mount.unmount(str(tmp_path / "below"))
    with pytest.raises(VolumeLost):
        registry.catalog.page(PageRequest(10))
    with pytest.raises(VolumeLost):
        push_blob(registry, "old", b"new")
    mount.mount()
    assert registry.catalog.page(PageRequest(10))[0] == ["a"]


def test_a_copy_that_takes_its_place_is_known_by_its_mark(store, mount, tmp_path):
    shutil.copytree(mount.path, tmp_path / "copy")
    mount.unmount(str(tmp_path / "copy"))
    registry = Registry(store)
    if not os.path.exists(f"{mount.path}/{layout.MAINTENANCE}/volume"):
        with pytest.raises(VolumeLost):
            registry.catalog.page(PageRequest(10))
        return
    pull(registry, "a", "v1")
    push_blob(registry, "a", b"new")


def test_a_store_that_held_nothing_may_be_mounted_later(tmp_path, mount):
    os.mkdir(tmp_path / "volume")
    filled = FilesystemDriver(str(tmp_path / "volume"))
    push(Registry(filled), "a", "v1", IMAGE, b"c", b"1")
    FilesystemDriver(str(tmp_path / "volume")).mark()
    os.mkdir(mount.path)
    store = FilesystemDriver(mount.path)
    store.mark()
    mount.unmount(str(tmp_path / "volume"))
    pull(Registry(store), "a", "v1")


@pytest.mark.parametrize(
    "task",
    [
        lambda store: Collection(store, CollectionOptions(grace_seconds=0.0)).run(),
        lambda store: Verification(store, VerificationOptions(), lambda *_: None).run(),
        lambda store: measure(store, CollectionOptions()),
        lambda store: purge_uploads(store, 0.0),
    ],
)
def test_maintenance_ends_and_makes_nothing(store, mount, task):
    mount.unmount()
    with pytest.raises(VolumeLost):
        task(store)
    assert os.listdir(mount.path) == []
    mount.mount()
    task(store)
    pull(Registry(store), "a", "v1")


def test_a_collection_removes_nothing_when_repositories_vanish_while_it_reads(store, monkeypatch):
    """They may lie on a volume of their own, which leaves all blobs to be seen."""
    repositories = f"{store._root}/{layout.REPOSITORIES}"
    real = store.read

    def read(path):
        content = real(path)
        os.rename(repositories, f"{repositories}.away")
        os.mkdir(repositories)
        monkeypatch.setattr(store, "read", real)
        # As the device of another volume.
        monkeypatch.setattr(store._volume, "_places", [(0, 0)] * 4)
        return content

    monkeypatch.setattr(store, "read", read)
    with pytest.raises(VolumeLost):
        Collection(store, CollectionOptions(grace_seconds=0.0)).run()
    assert store._volume._holds() is False
