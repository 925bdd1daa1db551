"""Referrers are listed in the order they were pushed in: cosign takes the last for the newest."""

from __future__ import annotations

import os
from itertools import count

import pytest

from holm_registry.gc.collection import Collection, CollectionOptions
from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import OCI_MANIFEST
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.verify.verification import Verification, VerificationOptions

from ..images import descriptor, image, index
from .test_lists import lay_out, next_page, refer
from .wire import Server

COUNT = 6


@pytest.fixture
def subject(server):
    return server.push_image("a", "v1", b"c", [b"l"])


@pytest.fixture
def pushed(server, subject):
    """Several referrers, in an order that is not that of their digests."""
    digests = sign(server, subject, COUNT)
    assert digests != sorted(digests)
    return digests


def sign(server, subject, number, **annotations):
    return [
        refer(
            server, subject, f"application/{turn % 2}", annotations={"t": f"{turn}", **annotations}
        )
        for turn in range(number)
    ]


def listed(server, subject, query=""):
    answer = server.request("GET", f"/v2/a/referrers/{subject}{query}")
    return [each["digest"] for each in answer.json["manifests"]]


def test_the_last_is_the_newest(server, subject, pushed):
    assert listed(server, subject) == pushed


def test_a_filter_keeps_the_order(server, subject, pushed):
    assert listed(server, subject, "?artifactType=application/1") == pushed[1::2]


def test_one_that_is_asked_for_or_pushed_again_keeps_its_place(server, subject, pushed):
    for digest in (pushed[3], pushed[1]):
        payload = server.request("GET", f"/v2/a/manifests/{digest}").body
        assert server.request("HEAD", f"/v2/a/manifests/{digest}").status == 200
        server.push_manifest("a", "again", payload)
    assert listed(server, subject) == pushed


def test_one_that_was_deleted_and_comes_again_is_the_newest(server, subject, pushed):
    payload = server.request("GET", f"/v2/a/manifests/{pushed[2]}").body
    assert server.request("DELETE", f"/v2/a/manifests/{pushed[2]}").status == 202
    server.push_manifest("a", "again", payload)
    assert listed(server, subject) == [*pushed[:2], *pushed[3:], pushed[2]]


def test_pages_keep_the_order_also_when_one_of_them_goes_or_comes_meanwhile(server, subject):
    pushed = sign(server, subject, COUNT, large="x" * 400_000)
    found, path, last = [], f"/v2/a/referrers/{subject}", None
    while path is not None:
        answer = server.request("GET", path)
        found += [each["digest"] for each in answer.json["manifests"]]
        path = next_page(answer)
        assert len(found) < 1000, "a list without end"
        if last is None:
            # The place where the next page begins is not lost with the referrer that was there.
            server.request("DELETE", f"/v2/a/manifests/{found[-1]}")
            last = refer(server, subject, "application/2")
    assert found == [*pushed, last]


def test_a_place_that_is_none_is_the_beginning(memory):
    subject = memory.push_image("a", "v1", b"c", [b"l"])
    pushed = sign(memory, subject, 2)
    for last in ("", "x", "0-", "1-x", "-1-x", "9" * 30, "sha256:00", "%ff"):
        assert listed(memory, subject, f"?last={last}") == pushed


def test_a_collection_and_a_repair_keep_the_order(server, subject, pushed):
    Collection(server.driver, CollectionOptions(grace_seconds=0.0), lambda _line: None).run()
    assert listed(server, subject) == pushed
    for digest in pushed[::2]:
        server.driver.put(layout.revision_link("a", Digest.parse(digest)), b"")
    Verification(server.driver, VerificationOptions(repair=True), lambda *_: None).run()
    assert listed(server, subject) == pushed


@pytest.mark.parametrize("times", [1, -1])
def test_a_copy_without_the_times_of_its_files_keeps_the_order(server, subject, pushed, times):
    clock = count(1_000_000, times)
    copy = MemoryDriver(lambda: float(next(clock)))
    for path, _ in sorted(server.driver.objects(layout.ROOT)):
        copy.put(path, server.driver.read(path))
    restored = Server(copy)
    assert listed(restored, subject) == pushed
    restored.hang_up()


def older(driver, tmp_path, server, subject):
    """Store referrers as registry:2 does, one a minute, with and without a subject of their own."""
    digests = []
    for turn in range(COUNT):
        payload = image(b"{}", [], subject=subject, annotations={"t": f"{turn}"})
        digests.append(lay_out(server, payload))
        at = 1_700_000_000 + 60 * turn
        path = layout.revision_link("a", Digest.parse(digests[-1]))
        if isinstance(driver, FilesystemDriver):
            os.utime(tmp_path / path, (at, at))
        else:
            driver._objects[path].modified = float(at)
    return digests


def test_those_of_an_older_registry_are_as_old_as_their_links(server, driver, tmp_path):
    subject = image(b"c", [])
    digest = lay_out(server, subject, "v1")
    old = older(driver, tmp_path, server, descriptor(subject, "a/b"))
    assert old != sorted(old)
    assert listed(server, digest) == old
    for link in old:
        driver.put(layout.revision_link("a", Digest.parse(link)), link.encode())
    new = refer(server, digest, "application/sig")
    assert listed(server, digest) == [*old, new], "their times are kept from then on"


def test_those_under_the_fallback_tag_are_as_old_as_their_links(server, driver, tmp_path):
    subject = image(b"c", [])
    digest = Digest.of(subject)
    lay_out(server, subject, "v1")
    old = older(driver, tmp_path, server, None)
    children = [{"digest": each, "size": 1, "mediaType": OCI_MANIFEST} for each in reversed(old)]
    lay_out(server, index([], manifests=children), f"sha256-{digest.encoded}")
    assert listed(server, digest) == old
