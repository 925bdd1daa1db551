"""How often what a manifest names is looked at."""

from __future__ import annotations

import json

import pytest

from holm_registry.config.storage import StorageLimitsSection
from holm_registry.content.referenced import MAX_PROBLEMS
from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import MultipleErrors
from holm_registry.server.content import build_content_limits
from holm_registry.storage.memory import MemoryDriver

from ..images import descriptor, image
from ..stores import push_blob

ZIPPED = "application/vnd.oci.image.layer.v1.tar+gzip"


class Counting(MemoryDriver):
    """Counts how often anything is looked at."""

    looks = 0

    def stat(self, path):
        self.looks += 1
        return super().stat(path)

    def read(self, path):
        self.looks += 1
        return super().read(path)


@pytest.fixture(params=[False, True], ids=["validated", "not validated"])
def registry(request):
    return Registry(Counting(), Validation(disabled=request.param))


def manifest(layers):
    return json.dumps({**json.loads(image(b"c", [])), "layers": layers}).encode()


def cache(children):
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": children}
    return json.dumps(document).encode()


def looks(registry, payload):
    before = registry.tags._driver.looks
    registry.manifests.put("a", Digest.of(payload), payload)
    return registry.tags._driver.looks - before


@pytest.mark.parametrize("make", [manifest, cache])
def test_what_is_named_often_is_looked_at_once(registry, make):
    for content in (b"c", b"1"):
        push_blob(registry, "a", content)
    layer = descriptor(b"1", ZIPPED)
    looks(registry, make([layer]))
    # Links are remembered from now on.
    once = looks(registry, make([{**layer, "annotations": {}}]))
    assert looks(registry, make([layer] * 3000)) == once
    others = [{**layer, "annotations": {"n": str(n)}, "platform": {}} for n in range(300)]
    assert looks(registry, make(others)) == once
    types = [{**layer, "mediaType": f"application/vnd.example.{n}"} for n in range(300)]
    assert looks(registry, make(types)) == once


@pytest.mark.parametrize("make", [manifest, cache])
def test_what_is_missing_or_wrong_is_told_once_and_not_without_end(make):
    registry = Registry(Counting())
    for content in (b"c", b"1"):
        push_blob(registry, "a", content)
    wrong = [{**descriptor(b"1", ZIPPED), "size": size} for size in range(2, 1000)]
    payload = make([*wrong, *[descriptor(b"gone", ZIPPED)] * 1000])
    with pytest.raises(MultipleErrors) as refused:
        registry.manifests.put("a", "v1", payload)
    assert [each.code for each in refused.value.entries()] == [
        "SIZE_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
    ]
    payload = make([descriptor(b"gone %d" % n, ZIPPED) for n in range(1000)])
    with pytest.raises(MultipleErrors) as refused:
        registry.manifests.put("a", "v1", payload)
    assert len(refused.value.entries()) == MAX_PROBLEMS


def test_there_is_a_most_that_a_manifest_may_name_unless_it_is_switched_off():
    """Images have up to a few hundred layers, and build caches a few thousand."""
    assert build_content_limits(StorageLimitsSection()).manifest_parts == 10_000
    assert build_content_limits(StorageLimitsSection(layers=0)).manifest_parts == 0
