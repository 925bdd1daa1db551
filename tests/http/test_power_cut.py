"""
What an answer promises survives a power cut.

A model of what a disk may lose: a file's bytes until the file is synced, and the entry of a file or
folder in its folder until that folder is synced. Each answer that promises something is followed by
a look whether any of it could still be lost.
"""

from __future__ import annotations

import os

import pytest

from holm_registry.oci.digest import Digest
from holm_registry.storage import durable
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import descriptor, image
from ..stores import collect
from .wire import Server

ROOT = "docker/registry/v2"


class Disk:
    """What would be lost if the power went now: bytes of files, and entries of folders."""

    def __init__(self, root: str, monkeypatch) -> None:
        self.root = root
        self.bytes: set[str] = set()
        self.entries: set[str] = set()
        self.removed: set[str] = set()
        self._real = {
            name: getattr(os, name)
            for name in ("mkdir", "rename", "fsync", "pwritev", "unlink", "rmdir")
        }
        for name in ("mkdir", "rename", "fsync", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, getattr(self, name))
        monkeypatch.setattr(durable.os, "pwritev", self.pwritev)

    def mkdir(self, path, *args, **kwargs):
        self._real["mkdir"](path, *args, **kwargs)
        self.entries.add(path)

    def rename(self, source, target):
        self._real["rename"](source, target)
        for lost in (self.bytes, self.entries):
            for path in [path for path in lost if f"{path}/".startswith(f"{source}/")]:
                lost.remove(path)
                lost.add(target + path[len(source) :])
        self.entries.add(target)
        self.removed.add(source)

    def unlink(self, path, *args, **kwargs):
        self._real["unlink"](path, *args, **kwargs)
        if isinstance(path, str) and path.startswith("/"):
            self.removed.add(path)

    def rmdir(self, path, **options):
        self._real["rmdir"](path, **options)
        if isinstance(path, str) and path.startswith("/"):
            # What was in it cannot come back once it is gone for good itself.
            self.removed = {each for each in self.removed if not each.startswith(f"{path}/")}
            self.removed.add(path)

    def pwritev(self, descriptor_, *args):
        self.bytes.add(os.readlink(f"/proc/self/fd/{descriptor_}"))
        return self._real["pwritev"](descriptor_, *args)

    def fsync(self, descriptor_):
        path = os.readlink(f"/proc/self/fd/{descriptor_}")
        self._real["fsync"](descriptor_)
        self.bytes.discard(path)
        for lost in (self.entries, self.removed):
            for entry in [entry for entry in lost if os.path.dirname(entry) == path]:
                lost.remove(entry)

    def holds(self, path: str) -> None:
        """Check that nothing of a file could be lost."""
        full = f"{self.root}/{path}"
        assert os.path.exists(full)
        assert full not in self.bytes, f"the bytes of {path}"
        while full != self.root:
            assert full not in self.entries, f"the entry of {full}"
            full = os.path.dirname(full)

    def lacks(self, path: str) -> None:
        """Check that a file that was deleted could not come back."""
        full = f"{self.root}/{path}"
        assert not os.path.exists(full)
        while full != self.root:
            assert full not in self.removed, f"{full} could come back"
            full = os.path.dirname(full)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    return Disk(str(tmp_path), monkeypatch)


@pytest.fixture
def server(disk):
    server = Server(FilesystemDriver(disk.root))
    yield server
    server.hang_up()


def blob(digest: Digest) -> str:
    return f"{ROOT}/blobs/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}/data"


def layer(name: str, digest: Digest) -> str:
    return f"{ROOT}/repositories/{name}/_layers/{digest.algorithm}/{digest.encoded}/link"


def revision(name: str, digest: Digest) -> str:
    return (
        f"{ROOT}/repositories/{name}/_manifests/revisions/{digest.algorithm}/{digest.encoded}/link"
    )


def tag(name: str, tag: str) -> str:
    return f"{ROOT}/repositories/{name}/_manifests/tags/{tag}/current/link"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_that_was_created_is_safe(server, disk, algorithm):
    for name, content in (("a", b"one"), ("deep/er/b", b"two"), ("deep/c", b"two"), ("a", b"3")):
        location = server.start_upload(name)
        server.request("PATCH", location, content)
        digest = Digest.of(content, algorithm)
        assert server.request("PUT", f"{location}?digest={digest}").status == 201
        disk.holds(blob(digest))
        disk.holds(layer(name, digest))


def test_a_blob_pushed_in_one_request_or_mounted_is_safe(server, disk):
    digest = Digest.parse(server.push_blob("a", b"x"))
    disk.holds(blob(digest))
    disk.holds(layer("a", digest))
    assert server.request("POST", f"/v2/b/c/blobs/uploads/?mount={digest}&from=a").status == 201
    disk.holds(layer("b/c", digest))


def test_a_manifest_that_was_created_is_safe_with_its_tags(server, disk):
    for turn in range(2):
        digest = Digest.parse(server.push_image("a/b", "latest", b"c%d" % turn, [b"l"]))
        for path in (blob(digest), revision("a/b", digest), tag("a/b", "latest")):
            disk.holds(path)
    payload = image(b"c0", [b"l"], annotations={"a": "b"})
    digest = Digest.of(payload)
    path = f"/v2/a/b/manifests/{digest}?tag=v1&tag=v2"
    assert server.request("PUT", path, payload).status == 201
    for path in (blob(digest), revision("a/b", digest), tag("a/b", "v1"), tag("a/b", "v2")):
        disk.holds(path)


def test_a_referrer_is_safe(server, disk):
    server.push_blob("a", b"{}")
    subject = Digest.of(b"subject")
    payload = image(b"{}", [], subject=descriptor(b"subject", "a/b"))
    digest = Digest.parse(server.push_manifest("a", str(Digest.of(payload)), payload))
    disk.holds(
        f"{ROOT}/repositories/a/_manifests/referrers/sha256/{subject.encoded}/sha256/"
        f"{digest.encoded}/link"
    )


def test_what_was_deleted_stays_deleted(server, disk):
    digest = Digest.parse(server.push_image("a", "v1", b"c", [b"l"]))
    server.push_manifest("a", "v2", image(b"c", [b"l"]))
    assert server.request("DELETE", "/v2/a/manifests/v1").status == 202
    disk.lacks(tag("a", "v1"))
    assert server.request("DELETE", f"/v2/a/manifests/{digest}").status == 202
    disk.lacks(tag("a", "v2"))
    disk.lacks(revision("a", digest))
    assert server.request("DELETE", f"/v2/a/blobs/{Digest.of(b'l')}").status == 202
    disk.lacks(layer("a", Digest.of(b"l")))


def test_a_collection_removes_what_a_manifest_names_when_that_has_gone_for_good(
    server, disk, monkeypatch
):
    """Else a power cut brings the manifest back, and not its layers."""
    digest = Digest.parse(server.push_image("a", "v1", b"c", [b"l"]))
    server.push_manifest("a", "v1", image(b"c", [], annotations={"other": "image"}))
    for folder, _, files in os.walk(disk.root):
        for name in files:
            os.utime(f"{folder}/{name}", (0, 0))
    removed = []

    real = os.unlink

    def unlink(path, **options):
        is_claimed = path.endswith(".aside")
        if is_claimed and ("/blobs/" in path or "/_layers/" in path):
            removed.append(path)
            disk.lacks(revision("a", digest))
        if is_claimed and "/blobs/" in path:
            disk.lacks(layer("a", Digest.of(b"l")))
        real(path, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    result, _ = collect(FilesystemDriver(disk.root), untagged=True)
    assert (result.manifests, result.layer_links, result.blobs) == (1, 1, 2)
    assert len(removed) == 3
    disk.lacks(blob(Digest.of(b"l")))
    disk.lacks(blob(digest))
