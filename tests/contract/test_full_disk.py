"""On a disk on which nothing can be made any more, whatever is there can be read and removed."""

from __future__ import annotations

import builtins
import errno
import os
import shutil

import pytest

from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.gc.__main__ import main
from holm_registry.gc.uploads import purge_uploads
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUnknown, BlobUploadUnknown, ManifestUnknown
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.errors import StorageFull
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.verify.verification import Verification, VerificationOptions

from ..images import image
from ..stores import (
    KEPT,
    LOOSE,
    SIGNATURE,
    age,
    blobs_in,
    collect,
    fill,
    names,
    pull,
    push,
    push_blob,
)


class Full:
    """
    Fails whatever takes room: new files, new folders, new entries in other folders, bytes.

    :param after: How many of these calls are still done.
    """

    def __init__(self, monkeypatch, code: int, after: int = 0) -> None:
        self.count = 0
        self._code = code
        self._after = after
        self._left: set[str] = set()
        self._real = {name: getattr(os, name) for name in ("mkdir", "open", "rename", "pwritev")}
        self._open = builtins.open
        for name in self._real:
            monkeypatch.setattr(os, name, getattr(self, name))
        monkeypatch.setattr(builtins, "open", self.open_file)

    def _take(self, path="") -> None:
        self.count += 1
        if self.count > self._after:
            raise OSError(self._code, os.strerror(self._code), path)

    def mkdir(self, path, *args, **kwargs):
        if not os.path.lexists(path):
            self._take(path)
        self._real["mkdir"](path, *args, **kwargs)

    def open(self, path, flags, *args, **kwargs):
        if flags & os.O_CREAT and not os.path.lexists(path):
            self._take(path)
        return self._real["open"](path, flags, *args, **kwargs)

    def open_file(self, path, mode="r", *args, **kwargs):
        if set(mode) & {"w", "x", "a"}:
            self._take(path)
        return self._open(path, mode, *args, **kwargs)

    def rename(self, source, target, **kwargs):
        # What goes back to where it was finds its old entry free.
        if os.path.dirname(source) != os.path.dirname(target) and target not in self._left:
            self._take(target)
        self._real["rename"](source, target, **kwargs)
        self._left.add(source)

    def pwritev(self, *args):
        self._take()
        return self._real["pwritev"](*args)


@pytest.fixture
def root(tmp_path):
    """A volume as registry:2 leaves it, with nothing of ours on it; all of it is old."""
    root = str(tmp_path / "root")
    os.mkdir(root)
    registry = Registry(FilesystemDriver(root))
    fill(registry)
    push(registry, "b", "v1", KEPT, b"c", b"kept")
    push(registry, "b", "v2", LOOSE, b"loose")
    os.makedirs(f"{root}/{layout.upload('a', 'begun')}")
    with open(f"{root}/{layout.upload_started_at('a', 'begun')}", "w") as file:
        file.write("2020-01-01T00:00:00Z")
    registry.driver = FilesystemDriver(root)
    registry.driver.create_upload(layout.upload_data("a", "written"), b"bytes")
    age(root)
    for path in (layout.STAGING, layout.MAINTENANCE):
        shutil.rmtree(f"{root}/{path}", ignore_errors=True)
    return root


@pytest.fixture(params=[errno.ENOSPC, errno.EDQUOT], ids=["blocks", "quota"])
def full(request, monkeypatch, root):
    return Full(monkeypatch, request.param)


def test_a_collection_frees(root, full):
    result, _ = collect(FilesystemDriver(root), untagged=True)
    assert result.problems == []
    assert (result.manifests, result.uploads) == (2, 2)
    assert blobs_in(FilesystemDriver(root)) == names([KEPT, LOOSE])
    for name, tag in (("a", "v1"), ("b", "v1"), ("b", "v2")):
        pull(Registry(FilesystemDriver(root)), name, tag)


def test_a_collection_spares_what_is_in_use(root, full):
    registry = Registry(FilesystemDriver(root))
    registry.manifests.get("a", Digest.of(LOOSE))
    registry.blobs.stat("a", Digest.of(b"garbage"))
    result, _ = collect(FilesystemDriver(root), untagged=True, grace_seconds=60.0)
    assert result.manifests == 0
    pull(registry, "a", Digest.of(LOOSE))
    pull(registry, "a", Digest.of(SIGNATURE))
    assert registry.blobs.stat("a", Digest.of(b"garbage")).size_bytes == len(b"garbage")


def test_what_nobody_wants_can_be_deleted(root, full):
    registry = Registry(FilesystemDriver(root))
    registry.tags.delete("b", "v1")
    registry.manifests.delete("b", Digest.of(LOOSE))
    registry.manifests.delete("a", Digest.of(SIGNATURE))
    registry.blobs.delete("a", Digest.of(b"garbage"))
    for session in ("begun", "written"):
        registry.uploads.cancel("a", session)
        with pytest.raises(BlobUploadUnknown):
            registry.uploads.size_bytes("a", session)
    assert registry.tags.page("b", PageRequest())[0] == ()
    for name, digest in (("b", Digest.of(LOOSE)), ("a", Digest.of(SIGNATURE))):
        with pytest.raises(ManifestUnknown):
            registry.manifests.get(name, digest)
    with pytest.raises(BlobUnknown):
        registry.blobs.stat("a", Digest.of(b"garbage"))
    pull(registry, "a", "v1")


def test_uploads_are_purged(root, full):
    assert purge_uploads(FilesystemDriver(root), 3600.0).uploads == 2
    assert FilesystemDriver(root).folders(layout.uploads("a")) == ()


@pytest.mark.parametrize("task", ["collect", "purge"])
def test_a_result_that_cannot_be_kept_is_told_all_the_same(root, full, task, capsys):
    assert main(task, root, '{"upload_age_seconds": 60.0}') == 0
    told = capsys.readouterr()
    assert '"uploads":2' in told.out
    assert "its result cannot be kept: " in told.err


@pytest.mark.parametrize("repair", [False, True])
def test_verify_looks_at_everything(root, full, repair):
    with full._open(f"{root}/{layout.blob_data(Digest.of(b's'))}", "wb") as file:
        file.write(b"X")
    scope = VerificationOptions(repair=repair, validation=Validation())
    report = Verification(FilesystemDriver(root), scope, lambda *_: None).run()
    (finding,) = report.findings
    assert report.repositories == 2
    assert ("could not be repaired" in finding.problem) == repair


def test_refused_pushes_leave_nothing_behind(root, full):
    def everything():
        return {(folder, *files) for folder, _, files in os.walk(root)}

    registry = Registry(FilesystemDriver(root))
    before = everything()
    for _ in range(3):
        with pytest.raises(StorageFull):
            registry.uploads.start("a")
        with pytest.raises(StorageFull):
            registry.uploads.start("new/repository")
        with pytest.raises(StorageFull):
            registry.manifests.put("a", "v9", KEPT)
    assert everything() == before


def test_wherever_room_ends_a_push_is_refused_whole_and_all_goes_on(root, monkeypatch):
    new = image(b"c", [b"new"], annotations={"a": "b"})
    for after in range(10_000):
        registry = Registry(FilesystemDriver(root))
        with monkeypatch.context() as patch:
            full = Full(patch, errno.ENOSPC, after)
            try:
                push(registry, "c/d", "v1", new, b"c", b"new")
                is_taken = True
            except StorageFull:
                is_taken = False
            # As much as there was room for is no more: all of this needs none.
            result, _ = collect(FilesystemDriver(root), untagged=True, grace_seconds=60.0)
            assert result.problems == []
            pull(Registry(FilesystemDriver(root)), "a", "v1")
        left = [folder for folder, _, _ in os.walk(f"{root}/{layout.STAGING}")][1:]
        assert left == [], "and nothing is left on its way"
        if is_taken:
            break
    assert full.count > 10
    pull(registry, "c/d", "v1")
    registry.tags.delete("c/d", "v1")
    push_blob(registry, "c/d", b"and it can go on")
