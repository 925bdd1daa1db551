"""A part of the volume, or all of it, is not mounted when a task begins: nothing is lost for it."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from holm_registry.content.registry import Registry
from holm_registry.gc import __main__ as process
from holm_registry.gc.collection import Collection, CollectionOptions
from holm_registry.gc.inventory import NO_REPOSITORIES
from holm_registry.gc.usage import measure
from holm_registry.oci.digest import Digest
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.errors import StorageUnavailable, VolumeLost
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.verify.verification import Verification, VerificationOptions

from ..images import image
from ..kill_points import every_death
from ..stores import LONG, AgingFiles, age, blobs_in, collect, pull, push, push_blob

IMAGE, OTHER = image(b"c", [b"1"]), image(b"c", [b"2"])

TASKS = {
    "collect": lambda store: Collection(store, CollectionOptions(grace_seconds=0.0)).run(),
    "dry run": lambda store: Collection(
        store, CollectionOptions(grace_seconds=0.0, dry_run=True)
    ).run(),
    "verify": lambda store: Verification(store, VerificationOptions(), lambda *_: None).run(),
    "repair": lambda store: Verification(
        store, VerificationOptions(repair=True), lambda *_: None
    ).run(),
    "stats": lambda store: measure(store, CollectionOptions()),
}


@pytest.fixture
def root(tmp_path):
    """A volume with an image that is old, which was never marked."""
    root = str(tmp_path / "root")
    os.mkdir(root)
    registry = Registry(FilesystemDriver(root))
    push(registry, "a", "v1", IMAGE, b"c", b"1", b"garbage")
    age(root)
    return root


class Part:
    """A folder of a store that is a mount point, on which nothing is mounted now."""

    def __init__(self, root: str, path: str) -> None:
        self.full = f"{root}/{path}"
        os.rename(self.full, f"{self.full}.volume")
        os.mkdir(self.full)

    def mount(self) -> None:
        shutil.rmtree(self.full)
        os.rename(f"{self.full}.volume", self.full)


def marked(root):
    store = FilesystemDriver(root)
    store.mark()
    return store


@pytest.mark.parametrize("path", [layout.REPOSITORIES, layout.BLOBS])
@pytest.mark.parametrize("task", TASKS)
def test_no_task_begins_on_a_volume_that_lacks_a_part(root, path, task):
    marked(root)
    part = Part(root, path)
    with pytest.raises(VolumeLost, match=f"^{path}: the volume is not mounted"):
        TASKS[task](FilesystemDriver(root))
    assert os.listdir(part.full) == []
    part.mount()
    TASKS[task](FilesystemDriver(root))
    pull(Registry(FilesystemDriver(root)), "a", "v1")


@pytest.mark.parametrize("path", [layout.REPOSITORIES, layout.BLOBS])
def test_a_server_that_starts_then_serves_nothing_until_it_is_mounted(root, path):
    marked(root)
    part = Part(root, path)
    registry = Registry(marked(root))
    for use in (
        lambda: registry.catalog.page(PageRequest(10)),
        lambda: registry.manifests.get("a", "v1"),
        lambda: push_blob(registry, "a", b"new"),
    ):
        with pytest.raises(VolumeLost):
            use()
    assert os.listdir(part.full) == []
    part.mount()
    pull(registry, "a", "v1")
    push_blob(registry, "a", b"new")


def test_what_was_pushed_below_it_is_not_taken_for_the_store(root):
    marked(root)
    Part(root, layout.REPOSITORIES)
    below = f"{root}/{layout.REPOSITORIES}/below/_manifests"
    os.makedirs(below)
    with pytest.raises(VolumeLost):
        collect(FilesystemDriver(root))


def test_another_volume_in_its_place_is_not_taken_for_it(root, tmp_path):
    marked(root)
    other = str(tmp_path / "other")
    push(Registry(FilesystemDriver(other)), "b", "v1", OTHER, b"c", b"2")
    marked(other)
    part = Part(root, layout.REPOSITORIES)
    os.rmdir(part.full)
    shutil.copytree(f"{other}/{layout.REPOSITORIES}", part.full)
    with pytest.raises(VolumeLost, match="or another one is"):
        collect(FilesystemDriver(root))


def test_a_volume_never_seen_before_is_collected(root):
    result, _ = collect(FilesystemDriver(root), grace_seconds=60.0)
    assert (result.blobs, result.problems) == (1, [])
    pull(Registry(FilesystemDriver(root)), "a", "v1")


@pytest.mark.parametrize("dry_run", [True, False])
def test_one_never_seen_before_without_a_repository_is_left_alone(root, dry_run):
    before = blobs_in(FilesystemDriver(root))
    part = Part(root, layout.REPOSITORIES)
    with pytest.raises(VolumeLost, match=f"{NO_REPOSITORIES}; nothing was removed"):
        collect(FilesystemDriver(root), dry_run=dry_run)
    assert blobs_in(FilesystemDriver(root)) == before
    stats = measure(FilesystemDriver(root), CollectionOptions())
    assert (stats.total.blobs, stats.total.bytes_freeable) == (len(before), 0)
    assert stats.problems == [f"{layout.REPOSITORIES}: {NO_REPOSITORIES}"]
    (finding,) = TASKS["verify"](FilesystemDriver(root)).findings
    assert (finding.where, finding.problem) == (layout.REPOSITORIES, NO_REPOSITORIES)
    part.mount()
    pull(Registry(FilesystemDriver(root)), "a", "v1")


def test_it_is_collected_with_the_option_that_says_that_all_were_removed(root):
    shutil.rmtree(f"{root}/{layout.REPOSITORIES}")
    with pytest.raises(VolumeLost):
        collect(FilesystemDriver(root))
    collect(FilesystemDriver(root), emptied=True, grace_seconds=60.0)
    assert blobs_in(FilesystemDriver(root)) == set()


def test_after_all_repositories_were_removed_their_blobs_go(driver, registry):
    """The last repository goes before the last blob, which is still young."""
    push(registry, "a", "v1", IMAGE, b"c", b"1")
    registry.manifests.delete("a", Digest.of(IMAGE))
    driver.age()
    push_blob(registry, "a", b"young")
    registry.blobs.delete("a", Digest.of(b"young"))
    result, _ = collect(driver, grace_seconds=LONG / 2)
    assert result.empty_repositories == 1
    assert blobs_in(driver) == {str(Digest.of(b"young"))}
    driver.age()
    fresh = AgingFiles(driver._root) if isinstance(driver, AgingFiles) else driver
    assert measure(fresh, CollectionOptions(grace_seconds=LONG / 2)).total.bytes_freeable == 5
    assert TASKS["verify"](fresh).findings == []
    collect(fresh, grace_seconds=LONG / 2)
    assert blobs_in(driver) == set()


def test_after_all_were_removed_by_hand_from_a_marked_volume_too(root):
    marked(root)
    shutil.rmtree(f"{root}/{layout.repository('a')}")
    collect(FilesystemDriver(root), grace_seconds=60.0)
    assert blobs_in(FilesystemDriver(root)) == set()


@pytest.mark.parametrize("path", [layout.REPOSITORIES, layout.BLOBS])
def test_a_part_that_is_missing_altogether_is_missed_until_its_mark_is_removed(root, path):
    """Some systems remove the folder on which they mounted a volume when they unmount it."""
    marked(root)
    shutil.rmtree(f"{root}/{path}")
    with pytest.raises(VolumeLost, match=f"{path}: .* remove {layout.VOLUME} and start again"):
        push_blob(Registry(marked(root)), "b", b"c")
    os.unlink(f"{root}/{layout.VOLUME}")
    push(Registry(marked(root)), "b", "v1", OTHER, b"c", b"2")
    collect(marked(root), grace_seconds=60.0)
    pull(Registry(marked(root)), "b", "v1")
    Part(root, path)
    with pytest.raises(VolumeLost):
        collect(FilesystemDriver(root))


def test_a_new_store_gets_no_mark_and_no_collection_without_its_repositories(tmp_path):
    root = str(tmp_path)
    store = marked(root)
    push(Registry(store), "a", "v1", IMAGE, b"c", b"1")
    assert not os.path.exists(f"{root}/{layout.VOLUME}")
    part = Part(root, layout.REPOSITORIES)
    with pytest.raises(VolumeLost, match="the volume is not mounted"):
        push_blob(Registry(store), "a", b"new")
    with pytest.raises(VolumeLost, match=NO_REPOSITORIES):
        collect(FilesystemDriver(root))
    part.mount()
    pull(Registry(store), "a", "v1")


def test_two_servers_mark_it_alike(root):
    stores = [FilesystemDriver(root), FilesystemDriver(root)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(FilesystemDriver.mark, stores))
    for store in stores:
        Part(root, layout.REPOSITORIES).mount()
        pull(Registry(store), "a", "v1")
        pull(Registry(marked(root)), "a", "v1")


def test_whenever_a_server_dies_while_it_marks_a_volume_the_next_one_does(root, monkeypatch):
    def copy(deadline):
        return f"{root}-{deadline}"

    def check(deadline):
        pull(Registry(FilesystemDriver(copy(deadline))), "a", "v1")
        pull(Registry(marked(copy(deadline))), "a", "v1")
        Part(copy(deadline), layout.REPOSITORIES)
        with pytest.raises(VolumeLost, match=f"^{layout.REPOSITORIES}: the volume"):
            FilesystemDriver(copy(deadline)).folders(layout.REPOSITORIES)
        shutil.copytree(root, copy(0 if deadline is None else deadline + 1))

    shutil.copytree(root, copy(None))
    assert every_death(monkeypatch, lambda deadline: marked(copy(deadline)), check) > 5


@pytest.mark.parametrize("content", [bytes(33), b"0" * 32, b""], ids=["cut", "old", "empty"])
def test_what_is_no_mark_of_its_parts_is_written_anew(root, content):
    """A power cut left it; or an earlier version did, which marked no parts."""
    for path in (layout.VOLUME, f"{layout.REPOSITORIES}/{layout.PART_MARK}"):
        os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
        with open(f"{root}/{path}", "wb") as file:
            file.write(content)
    pull(Registry(marked(root)), "a", "v1")
    Part(root, layout.REPOSITORIES)
    with pytest.raises(VolumeLost, match=f"^{layout.REPOSITORIES}: the volume"):
        collect(FilesystemDriver(root))


@pytest.mark.parametrize("target", ["nowhere", "file/inside"])
@pytest.mark.parametrize("below", ["", "/_manifests", "/_manifests/revisions"])
def test_a_link_to_a_volume_that_is_not_mounted_keeps_every_blob(root, tmp_path, target, below):
    """As of a repository that was moved to another disk."""
    registry = Registry(FilesystemDriver(root))
    push(registry, "b", "v1", OTHER, b"c", b"2")
    age(root)
    (tmp_path / "file").touch()
    moved = f"{root}/{layout.repository('b')}{below}"
    os.rename(moved, tmp_path / "moved")
    os.symlink(tmp_path / target, moved)
    result, _ = collect(FilesystemDriver(root), untagged=True, grace_seconds=60.0)
    assert result.problems
    os.unlink(moved)
    os.rename(tmp_path / "moved", moved)
    pull(registry, "b", "v1")


def test_a_link_that_leads_nowhere_costs_no_other_entry(root):
    os.symlink("nowhere", f"{root}/{layout.REPOSITORIES}/gone")
    os.symlink("nowhere", f"{root}/{layout.tag('a', 'gone')}")
    registry = Registry(FilesystemDriver(root))
    assert registry.catalog.page(PageRequest(10)) == (["a"], False)
    pull(registry, "a", "v1")
    with pytest.raises(StorageUnavailable, match="does not lead to a directory"):
        registry.tags.page("gone", PageRequest())
    assert registry.tags.page("a", PageRequest())[0] == ("gone", "v1")
    registry.tags.delete("a", "gone")
    assert registry.tags.page("a", PageRequest())[0] == ("v1",)


@pytest.mark.parametrize("place", ["", layout.ROOT])
@pytest.mark.parametrize("task", ["collect", "purge"])
def test_a_process_of_maintenance_makes_no_store(tmp_path, task, place, monkeypatch, capsys):
    monkeypatch.setattr(os, "nice", lambda _: 0)
    os.makedirs(tmp_path / place, exist_ok=True)
    assert process.main(task, str(tmp_path), "{}") == 0
    assert os.listdir(tmp_path / place) == []
    assert '"bytes":0' in capsys.readouterr().out
