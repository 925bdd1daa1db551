"""Two threads at once, at the moment where it matters."""

from __future__ import annotations

from threading import Thread

import pytest

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import TooManyRequests
from holm_registry.storage.memory import MemoryDriver

from ..images import image


class Interrupted(MemoryDriver):
    """A store in which something else happens just before a chosen call returns."""

    verb = ""
    ending = ""
    meanwhile = None

    def _happen(self, verb, path):
        if self.meanwhile is not None and verb == self.verb and path.endswith(self.ending):
            meanwhile, self.meanwhile = self.meanwhile, None
            self.other = Thread(target=meanwhile)
            self.other.start()
            # Long enough for what is not kept out; what is kept out ends later.
            self.other.join(0.3)

    def folders(self, path):
        found = super().folders(path)
        self._happen("folders", path)
        return found

    def stat(self, path):
        found = super().stat(path)
        self._happen("stat", path)
        return found

    def delete_folder(self, path, **how):
        self._happen("delete_folder", path)
        super().delete_folder(path, **how)

    def put(self, path, content):
        self._happen("put", path)
        super().put(path, content)


@pytest.fixture
def driver():
    return Interrupted()


@pytest.fixture
def registry(driver):
    registry = Registry(driver)
    for content in (b"c", b"d"):
        session = registry.uploads.open("a", registry.uploads.start("a"))
        session.append([content])
        session.commit(Digest.of(content))
        session.close()
    return registry


OLD, NEW = image(b"c", []), image(b"d", [])


def test_a_manifest_pushed_while_it_is_deleted_is_there_with_its_tag(driver, registry):
    """The deletion has looked for tags and found none: the one that comes must not dangle."""
    registry.manifests.put("a", Digest.of(OLD), OLD)
    driver.verb, driver.ending = "folders", "_manifests/tags"
    driver.meanwhile = lambda: registry.manifests.put("a", "v1", OLD)
    registry.manifests.delete("a", Digest.of(OLD))
    driver.other.join()
    assert registry.manifests.get("a", "v1").content == OLD


def test_a_tag_that_moves_while_its_manifest_is_deleted_stays(driver, registry):
    registry.manifests.put("a", "v1", OLD)
    driver.verb, driver.ending = "folders", "_manifests/tags"
    driver.meanwhile = lambda: registry.manifests.put("a", "v1", NEW)
    registry.manifests.delete("a", Digest.of(OLD))
    driver.other.join()
    assert registry.manifests.get("a", "v1").content == NEW


def test_a_tag_that_moves_while_it_is_deleted_for_its_manifest_is_there_afterwards(
    driver, registry
):
    """The deletion has seen the tag on its manifest and is about to remove it."""
    registry.manifests.put("a", "v1", OLD)
    driver.verb, driver.ending = "delete_folder", "_manifests/tags/v1"
    driver.meanwhile = lambda: registry.manifests.put("a", "v1", NEW)
    registry.manifests.delete("a", Digest.of(OLD))
    driver.other.join()
    assert registry.manifests.get("a", "v1").content == NEW


def test_a_tag_that_moves_just_after_it_was_seen_on_a_deleted_manifest_stays(driver, registry):
    registry.manifests.put("a", "v1", OLD)
    registry.tags.get("a", "v1")
    driver.verb, driver.ending = "stat", "_manifests/tags/v1/current/link"
    driver.meanwhile = lambda: registry.manifests.put("a", "v1", NEW)
    registry.manifests.delete("a", Digest.of(OLD))
    driver.other.join()
    assert registry.manifests.get("a", "v1").content == NEW


def test_two_pushes_to_one_tag_leave_it_on_one_of_them(driver, registry):
    driver.verb, driver.ending = "put", "v1/current/link"
    driver.meanwhile = lambda: registry.manifests.put("a", "v1", NEW)
    registry.manifests.put("a", "v1", OLD)
    driver.other.join()
    assert registry.manifests.get("a", "v1").content == NEW, "the second one had to wait"


def test_a_blob_committed_twice_at_once_is_there(driver, registry):
    sessions = []
    for _ in range(2):
        session = registry.uploads.open("a", registry.uploads.start("a"))
        session.append([b"same"])
        sessions.append(session)
    digest = Digest.of(b"same")
    driver.verb, driver.ending = "put", f"{digest.encoded}/link"
    driver.meanwhile = lambda: sessions[1].commit(digest)
    sessions[0].commit(digest)
    driver.other.join()
    assert registry.blobs.stat("a", digest).size_bytes == 4


def test_two_requests_on_an_upload_that_registry_2_only_began(driver, registry):
    """Both find no file yet: one gets the upload, the other has to wait, and no byte is lost."""
    path = "docker/registry/v2/repositories/a/_uploads/begun"
    driver.put(f"{path}/startedat", b"2026-01-01T00:00:00Z")
    taken = []

    def first():
        taken.append(registry.uploads.open("a", "begun"))
        taken[0].append([b"kept"])

    driver.verb, driver.ending, driver.meanwhile = "stat", "begun/startedat", first
    with pytest.raises(TooManyRequests):
        registry.uploads.open("a", "begun")
    driver.other.join()
    assert taken[0].size_bytes == 4
    taken[0].commit(Digest.of(b"kept"))
    assert registry.blobs.stat("a", Digest.of(b"kept")).size_bytes == 4


def test_an_upload_whose_removal_fails_is_not_held_for_ever(driver, registry):
    class Failing(Exception):
        pass

    def fail():
        raise Failing

    session_id = registry.uploads.start("a")
    session = registry.uploads.open("a", session_id)
    remove, driver.delete_folder = driver.delete_folder, lambda *_, **how: fail()
    with pytest.raises(Failing):
        session.abort()
    driver.delete_folder = remove
    registry.uploads.cancel("a", session_id)
