"""Two servers of one volume, at the moments where one comes into the other's way."""

from __future__ import annotations

import fcntl
import os
import shutil

import pytest

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUploadUnknown
from holm_registry.storage import layout
from holm_registry.storage.errors import Locked
from holm_registry.storage.filesystem import Filesystem

from ..stores import push_blob

CONTENT = b"acknowledged"
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def servers(tmp_path):
    """Two servers that know of one another what is on the volume, and nothing else."""
    return Registry(Filesystem(str(tmp_path))), Registry(Filesystem(str(tmp_path)))


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
    before_lock(session.discard)
    with pytest.raises(BlobUploadUnknown):
        second.uploads.finish("a", session_id, DIGEST)
    with pytest.raises(BlobUploadUnknown):
        second.uploads.size_bytes("a", session_id)


@pytest.mark.parametrize("ends", ["commit", "discard"])
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
            session.commit(DIGEST) if ends == "commit" else session.discard()
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
    with pytest.raises(Locked), second.lock("collection"):
        pass
    held[0].__exit__(None, None, None)
    with second.lock("collection"):
        pass
