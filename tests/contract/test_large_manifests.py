"""How much of large manifests is in memory where requests neither bring them nor are sent them."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from holm_registry.content.manifest_store import LARGE_BYTES
from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.storage.memory import MemoryDriver

from ..images import image
from ..stores import push_blob

#: How long to look whether something begins that must not, in seconds.
A_MOMENT = 0.2


class Slow(MemoryDriver):
    """A store that takes until it is told to read what is large."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = [Event(), Event()]
        self.told = Event()
        self.begun_count = 0

    def read(self, path):
        content = super().read(path)
        if len(content) > LARGE_BYTES:
            event = self.begun[self.begun_count]
            self.begun_count += 1
            event.set()
            assert self.told.wait(30)
        return content


def padded(number: int, **fields) -> bytes:
    annotations = {"padding": "x" * LARGE_BYTES, "number": str(number)}
    return image(b"config", [], annotations=annotations, **fields)


def delete(registry, digest):
    registry.manifests.delete("a", digest)


def list_referrers(registry, digest):
    assert registry.referrers.page("a", Digest.of(b"subject"))[0]


def tell_media_type(registry, digest):
    registry.manifests._payloads.media_type(digest)


def find_platform(registry, digest):
    assert registry.manifests.for_platform("a", digest, "amd64", "linux") is None


ACTS = [delete, list_referrers, tell_media_type, find_platform]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_large_manifests_are_looked_into_one_at_a_time(act):
    driver = Slow()
    registry = Registry(driver)
    push_blob(registry, "a", b"config")
    subject = {"mediaType": "a/b", "digest": str(Digest.of(b"subject")), "size": 7}
    payloads = [padded(number, subject=subject) for number in range(2)]
    digests = [registry.manifests.put("a", "v1", payload).digest for payload in payloads]
    threads = [Thread(target=act, args=(registry, digest)) for digest in digests]
    for thread in threads:
        thread.start()
    try:
        assert driver.begun[0].wait(30)
        assert not driver.begun[1].wait(A_MOMENT)
    finally:
        driver.told.set()
        driver.begun += [Event() for _ in range(100)]
        for thread in threads:
            thread.join()


def test_no_large_manifest_is_remembered():
    registry = Registry(MemoryDriver())
    push_blob(registry, "a", b"config")
    small, large = image(b"config", []), padded(1)
    for payload in (small, large):
        digest = registry.manifests.put("a", "v1", payload).digest
        registry.manifests.get("a", digest)
        assert (registry.manifests.cached("a", digest) is None) == (payload is large)
