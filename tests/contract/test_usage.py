from __future__ import annotations

from holm_registry.content.registry import Registry
from holm_registry.gc.collection import CollectionOptions
from holm_registry.gc.usage import measure
from holm_registry.oci.digest import Digest
from holm_registry.storage import layout

from ..images import image
from ..stores import Aging, blobs_in, collect, push, push_blob

A, B = image(b"config", [b"shared"]), image(b"config", [b"shared", b"b alone"])


def test_each_blob_counts_once_and_what_is_shared_is_nobodys_alone():
    driver = Aging()
    registry = Registry(driver)
    push(registry, "a", "v1", A, b"config", b"shared", b"garbage")
    push(registry, "a", "v2", A)
    push(registry, "b/c", "v1", B, b"config", b"shared", b"b alone")
    push(registry, "b/c", None, A)
    push_blob(registry, "d", b"common garbage")
    push_blob(registry, "e", b"common garbage")
    registry.uploads.start("f")
    driver.age()
    stats = measure(driver, CollectionOptions(grace_seconds=0.0))
    a, b, d, e = stats.repositories
    shared = len(b"config") + len(b"shared") + len(A)
    assert (a.name, a.tags, a.manifests) == ("a", 2, 1)
    assert (a.bytes, a.bytes_alone, a.bytes_freeable) == (shared + 7, 7, 7)
    assert (b.name, b.tags, b.manifests) == ("b/c", 1, 2)
    assert (b.bytes, b.bytes_alone, b.bytes_freeable) == (shared + 7 + len(B), 7 + len(B), 0)
    assert (d.bytes, d.bytes_alone, d.bytes_freeable) == (14, 0, 0)
    assert e.bytes == 14
    total = stats.total
    assert (total.repositories, total.tags, total.manifests) == (4, 3, 3)
    assert total.bytes == sum(stat.size_bytes for _, stat in driver.objects(layout.BLOBS))
    assert total.blobs == len(blobs_in(driver))
    assert (total.uploads, total.upload_bytes) == (1, 20)
    assert not stats.problems
    result, _ = collect(driver)
    assert result.bytes == total.bytes_freeable == 7 + 14


def test_what_untagged_manifests_hold_is_told_where_they_are_to_go():
    driver = Aging()
    registry = Registry(driver)
    push(registry, "a", None, A, b"config", b"shared")
    driver.age()
    assert measure(driver, CollectionOptions(grace_seconds=0.0)).total.bytes_freeable == 0
    stats = measure(driver, CollectionOptions(grace_seconds=0.0, untagged=True))
    assert stats.total.bytes_freeable == stats.repositories[0].bytes_freeable == stats.total.bytes


def test_damage_is_told_and_counts_nothing_as_freeable_there():
    driver = Aging()
    registry = Registry(driver)
    push(registry, "a", "v1", A, b"config", b"shared", b"maybe")
    driver.put(layout.blob_data(Digest.of(A)), b"")
    driver.age()
    stats = measure(driver, CollectionOptions(grace_seconds=0.0))
    assert stats.problems
    assert stats.total.bytes_freeable == 0
