"""Two servers of one volume, at the moments where one comes into the other's way."""

from __future__ import annotations

import fcntl
import os
import shutil
from threading import Event, Thread

import pytest

from holm_registry.content import locks
from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUploadUnknown, Denied, TooManyRequests
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.errors import AlreadyLocked, StorageUnavailable
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import image
from ..stores import push_blob

CONTENT = b"acknowledged"
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def servers(tmp_path):
    """Two servers that know of one another what is on the volume, and nothing else."""
    return Registry(FilesystemDriver(str(tmp_path))), Registry(FilesystemDriver(str(tmp_path)))


@pytest.fixture
def before_lock(monkeypatch):
    """Have something happen between the opening of a file and the lock on it, once."""

    def widen(meanwhile):
        real, turns = fcntl.flock, iter([meanwhile])

        def late(*args):
            for each in turns:
                each()
            return real(*args)

        monkeypatch.setattr(fcntl, "flock", late)

    return widen


def begun(registry, content=CONTENT):
    session_id = registry.uploads.start("a")
    session = registry.uploads.open("a", session_id)
    session.append([content])
    return session_id, session


@pytest.mark.parametrize("known", [False, True], ids=["new bytes", "known bytes"])
def test_nothing_is_added_to_a_blob_that_another_server_has_just_made_of_an_upload(
    servers, before_lock, known
):
    """The second server has the file open when the first commits, and locks it afterwards."""
    first, second = servers
    if known:
        push_blob(first, "b", CONTENT)
    session_id, session = begun(first)

    def commit():
        session.commit(DIGEST)
        session.close()

    before_lock(commit)
    with pytest.raises(BlobUploadUnknown):
        second.uploads.open("a", session_id).append([b" and more"])
    assert second.blobs.open("a", DIGEST).read(0, 100) == CONTENT
    with pytest.raises(BlobUploadUnknown):
        second.uploads.size_bytes("a", session_id)


def test_an_upload_that_another_server_has_just_thrown_away_stays_away(servers, before_lock):
    first, second = servers
    session_id, session = begun(first)
    before_lock(session.abort)
    with pytest.raises(BlobUploadUnknown):
        second.uploads.finish("a", session_id, DIGEST)
    with pytest.raises(BlobUploadUnknown):
        second.uploads.size_bytes("a", session_id)


@pytest.mark.parametrize("ends", ["commit", "abort"])
def test_an_upload_that_ends_while_another_server_is_to_make_its_file_is_unknown(
    servers, monkeypatch, ends
):
    """registry:2 has begun it without a file; the first server makes the file and ends it all."""
    first, second = servers
    first.uploads._driver.put(layout.upload_started_at("a", "begun"), b"2026-01-01T00:00:00Z")
    driver = second.uploads._driver
    real, turns = driver.create_upload, iter([1])

    def late(*args):
        for _ in turns:
            session = first.uploads.open("a", "begun")
            session.append([CONTENT])
            session.commit(DIGEST) if ends == "commit" else session.abort()
            session.close()
        real(*args)

    monkeypatch.setattr(driver, "create_upload", late)
    with pytest.raises(BlobUploadUnknown):
        second.uploads.open("a", "begun")
    assert not driver.folders(layout.uploads("a")), "nothing of it is left"


def test_an_upload_whose_bytes_vanish_as_often_as_they_are_made_is_unknown(
    servers, monkeypatch, tmp_path
):
    registry = servers[0]
    path = layout.upload("a", "begun")
    registry.uploads._driver.put(f"{path}/startedat", b"2026-01-01T00:00:00Z")
    real = registry.uploads._driver.create_upload

    def vanish(*args):
        real(*args)
        shutil.rmtree(tmp_path / path)

    monkeypatch.setattr(registry.uploads._driver, "create_upload", vanish)
    with pytest.raises(BlobUploadUnknown):
        registry.uploads.open("a", "begun")


def test_a_lock_on_a_file_that_was_removed_meanwhile_keeps_nobody_out(servers, before_lock):
    """Two collections: the lock file of the first is removed and made anew while both wait."""
    first, second = (each.uploads._driver for each in servers)
    with first.lock("collection"):
        pass
    held = []

    def remove_and_lock():
        os.unlink(f"{first._root}/{layout.MAINTENANCE}/collection.lock")
        lock = first.lock("collection")
        lock.__enter__()
        held.append(lock)

    before_lock(remove_and_lock)
    with pytest.raises(AlreadyLocked), second.lock("collection"):
        pass
    held[0].__exit__(None, None, None)
    with second.lock("collection"):
        pass


FIRST, SECOND = image(b"c", []), image(b"c", [], annotations={"n": "2"})


def refusing(root):
    """A server for which tags that begin with v are immutable."""
    return Registry(FilesystemDriver(root), Validation(immutable=("v*",)))


@pytest.mark.parametrize("others", [False, True], ids=["one server", "two servers"])
def test_of_a_push_of_several_tags_that_loses_the_race_for_one_none_has_moved(
    tmp_path, monkeypatch, others
):
    """Both pushes are let through at first; the other one takes the immutable tag meanwhile."""
    first = refusing(str(tmp_path))
    second = refusing(str(tmp_path)) if others else first
    push_blob(first, "a", b"c")
    first.manifests.put("a", "latest", FIRST)
    real, turns = second.manifests._parts.require, iter([1])

    def late(*args):
        for _ in turns:
            first.manifests.put("a", "v1", FIRST)
        real(*args)

    monkeypatch.setattr(second.manifests._parts, "require", late)
    with pytest.raises(Denied):
        second.manifests.put("a", "latest", SECOND, tags=["new", "v1", "v2"])
    for registry in (first, second):
        assert registry.manifests.get("a", "latest").content == FIRST
        assert registry.tags.page("a", PageRequest())[0] == ("latest", "v1")


def test_a_push_of_several_tags_cannot_be_overtaken_between_them(tmp_path, monkeypatch):
    """Another server comes when the first of two tags has moved: it has to wait, and is refused."""
    first, second = refusing(str(tmp_path)), refusing(str(tmp_path))
    push_blob(first, "a", b"c")
    monkeypatch.setattr(locks, "_WAIT_SECONDS", 0.0)
    real, outcomes = first.tags._put, []

    def late(repository, tag, digest):
        if tag == "v2":
            with pytest.raises(TooManyRequests):
                second.manifests.put("a", "v2", SECOND)
            outcomes.append("had to wait")
        real(repository, tag, digest)

    monkeypatch.setattr(first.tags, "_put", late)
    first.manifests.put("a", "v1", FIRST, tags=["v2"])
    assert outcomes == ["had to wait"]
    with pytest.raises(Denied):
        second.manifests.put("a", "v2", SECOND)


@pytest.mark.parametrize("before", [None, SECOND])
def test_tags_that_cannot_all_be_written_go_back(tmp_path, monkeypatch, before):
    registry = Registry(FilesystemDriver(str(tmp_path)))
    push_blob(registry, "a", b"c")
    if before is not None:
        registry.manifests.put("a", "one", before, tags=["two"])
    real = registry.tags._put

    def full(repository, tag, digest):
        if tag == "two":
            raise StorageUnavailable("No space left on device")
        real(repository, tag, digest)

    monkeypatch.setattr(registry.tags, "_put", full)
    with pytest.raises(StorageUnavailable):
        registry.manifests.put("a", "one", FIRST, tags=["two"])
    found = {tag: registry.tags.get("a", tag) for tag in registry.tags.page("a", PageRequest())[0]}
    assert found == ({} if before is None else dict.fromkeys(("one", "two"), Digest.of(before)))


@pytest.fixture
def begin(monkeypatch):
    """Begin something in a thread: it is on its own once it waits for a lock, or has ended."""
    threads = []

    def begin_(function, *args):
        real, came = fcntl.flock, Event()

        def tell(*words):
            try:
                return real(*words)
            except BlockingIOError:
                came.set()
                raise

        def call():
            try:
                function(*args)
            finally:
                came.set()

        monkeypatch.setattr(fcntl, "flock", tell)
        threads.append(Thread(target=call))
        threads[-1].start()
        assert came.wait(60)

    def end():
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert threads

    begin_.end = end
    return begin_


def test_a_tag_that_another_server_moves_while_its_manifest_is_deleted_stays(
    tmp_path, monkeypatch, begin
):
    """The deletion has seen the tag on its manifest; the other server has to wait."""
    first, second = (
        Registry(FilesystemDriver(str(tmp_path))),
        Registry(FilesystemDriver(str(tmp_path))),
    )
    push_blob(first, "a", b"c")
    first.manifests.put("a", "v1", FIRST)
    real = first.tags._driver.delete_folder

    def late(path, **how):
        if path.endswith("tags/v1"):
            begin(second.manifests.put, "a", "v1", SECOND)
        real(path, **how)

    monkeypatch.setattr(first.tags._driver, "delete_folder", late)
    first.manifests.delete("a", Digest.of(FIRST))
    begin.end()
    assert second.manifests.get("a", "v1").content == SECOND


def test_a_manifest_that_another_server_pushes_again_while_it_is_deleted_is_there(
    tmp_path, monkeypatch, begin
):
    """The deletion has looked for tags and found none: the tag that comes must not dangle."""
    first, second = (
        Registry(FilesystemDriver(str(tmp_path))),
        Registry(FilesystemDriver(str(tmp_path))),
    )
    push_blob(first, "a", b"c")
    first.manifests.put("a", Digest.of(FIRST), FIRST)
    real = first.tags.delete_pointing_at

    def late(*args):
        real(*args)
        begin(second.manifests.put, "a", "v1", FIRST)

    monkeypatch.setattr(first.tags, "delete_pointing_at", late)
    first.manifests.delete("a", Digest.of(FIRST))
    begin.end()
    assert first.manifests.get("a", "v1").content == FIRST
