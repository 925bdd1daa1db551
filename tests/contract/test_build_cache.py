"""
Indexes that name layers, and images that name none: what BuildKit and others push, on every driver.

The documents are those of ``buildctl build --export-cache type=registry,oci-mediatypes=true`` in
both of its forms.
"""

from __future__ import annotations

import json

import pytest

from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestUnknown, MultipleErrors, RegistryError
from holm_registry.storage import layout
from holm_registry.verify.verification import Verification, VerificationOptions

from ..images import CONFIG, LAYER, descriptor, image, index
from ..stores import collect, names, push, push_blob

CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
ZIPPED = "application/vnd.oci.image.layer.v1.tar+gzip"

RECORDS = json.dumps(
    {"layers": [{"blob": str(Digest.of(b"layer 1")), "parent": -1}], "records": [{}]}
).encode()


def cache_index(media_type: str = media_types.OCI_INDEX, layers=(b"layer 1", b"layer 2")) -> bytes:
    """Make the index that BuildKit makes of a cache unless it is told to make an image."""
    children = [descriptor(layer, ZIPPED) for layer in layers]
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [*children, descriptor(RECORDS, CACHE_CONFIG)],
    }
    return json.dumps(document, indent=2).encode()


def push_cache(registry, tag="cache", **options) -> Digest:
    return push(registry, "a", tag, cache_index(**options), b"layer 1", b"layer 2", RECORDS)


def findings(driver, **scope):
    return Verification(driver, VerificationOptions(**scope), lambda *_: None).run().findings


def links(driver):
    return {path for path, _ in driver.objects(layout.REPOSITORIES)}


@pytest.mark.parametrize("media_type", [media_types.OCI_INDEX, media_types.DOCKER_LIST])
@pytest.mark.parametrize("untagged", [False, True])
def test_a_build_cache_is_taken_kept_and_sound(driver, registry, media_type, untagged):
    digest = push_cache(registry, media_type=media_type)
    push_blob(registry, "a", b"unused")
    before = links(driver)
    driver.age()
    collect(driver, untagged=untagged)
    assert not findings(driver, repair=True)
    assert links(driver) == {path for path in before if Digest.of(b"unused").encoded not in path}
    assert registry.manifests.get("a", "cache").digest == digest
    for content in (b"layer 1", b"layer 2", RECORDS):
        assert registry.blobs.stat("a", Digest.of(content)).size_bytes == len(content)
        with pytest.raises(ManifestUnknown):
            registry.manifests.get("a", Digest.of(content))


def test_a_build_cache_goes_with_its_tag(driver, registry):
    push_cache(registry)
    registry.manifests.delete("a", Digest.of(cache_index()))
    driver.age()
    result, _ = collect(driver)
    assert result.layer_links == 3
    assert result.blobs == 4


@pytest.mark.parametrize("media_type", [ZIPPED, CACHE_CONFIG, "text/plain"])
def test_what_a_cache_names_has_to_be_here_and_of_its_size(registry, media_type):
    payload = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX}
    payload["manifests"] = [descriptor(b"x", media_type)]
    with pytest.raises(MultipleErrors):
        registry.manifests.put("a", "cache", json.dumps(payload).encode())
    push_blob(registry, "a", b"x")
    payload["manifests"][0]["size"] = 2
    with pytest.raises(MultipleErrors):
        registry.manifests.put("a", "cache", json.dumps(payload).encode())


def test_what_is_called_a_manifest_has_to_be_one(registry):
    child = image(b"c", [])
    push_blob(registry, "a", child)
    with pytest.raises(MultipleErrors):
        registry.manifests.put("a", "v1", index([child]))


def test_an_image_may_name_a_manifest_among_its_layers(driver, registry):
    inner = image(b"c", [b"1"])
    push(registry, "a", None, inner, b"c", b"1")
    outer = json.loads(image(b"c", []))
    outer["layers"] = [descriptor(inner, media_types.OCI_MANIFEST)]
    payload = json.dumps(outer).encode()
    push(registry, "a", "v1", payload)
    driver.age()
    collect(driver, untagged=True)
    assert not findings(driver)
    assert registry.manifests.get("a", Digest.of(inner)).content == inner
    assert registry.blobs.stat("a", Digest.of(b"1"))


@pytest.mark.parametrize("field", ["annotations", "data", "x-kept-by"])
def test_what_a_kept_manifest_mentions_keeps_its_link_and_bytes(driver, registry, field):
    aside = image(b"c", [b"2"])
    push(registry, "a", None, aside, b"c", b"2", b"beside")
    digests = {"manifest": str(Digest.of(aside)), "blob": str(Digest.of(b"beside"))}
    push(registry, "a", "v1", image(b"c", [], **{field: digests}))
    driver.age()
    collect(driver, untagged=True)
    assert registry.manifests.get("a", Digest.of(aside))
    assert registry.blobs.stat("a", Digest.of(b"2"))
    assert registry.blobs.stat("a", Digest.of(b"beside"))


def test_a_mention_of_what_another_repository_holds_keeps_nothing(driver, registry):
    push_blob(registry, "b", b"elsewhere")
    kept = image(b"c", [], annotations={"base": str(Digest.of(b"elsewhere"))})
    push(registry, "a", "v1", kept, b"c")
    driver.age()
    collect(driver)
    with pytest.raises(RegistryError):
        registry.blobs.stat("b", Digest.of(b"elsewhere"))


def test_a_lost_link_of_a_cache_is_made_again_as_what_it_was(driver, registry):
    push_cache(registry)
    lost = layout.layer_link("a", Digest.of(b"layer 1"))
    driver.delete(lost)
    before = links(driver)
    (finding,) = findings(driver, repair=True)
    assert finding.images == ["a:cache"]
    assert finding.repaired
    assert links(driver) == {*before, lost}
    assert not findings(driver)


def test_nothing_that_was_not_pushed_as_a_manifest_is_made_one(driver, registry):
    """A registry that checks no children took an index of blobs that say nothing of their type."""
    untold = [{"digest": str(Digest.of(content)), "size": 3} for content in (b"one", RECORDS)]
    payload = json.dumps({"schemaVersion": 2, "manifests": untold}).encode()
    lenient = Registry(driver, validation=Validation(disabled=True))
    for content in (b"one", RECORDS):
        push_blob(registry, "other", content)
    lenient.manifests.put("a", "odd", payload, content_type=media_types.OCI_INDEX)
    before = links(driver)
    assert findings(driver, repair=True)
    assert links(driver) == before


@pytest.mark.parametrize("layers", [{"layers": None}, {}])
def test_an_image_from_scratch_is_taken_served_and_kept(driver, registry, layers):
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, **layers}
    document["config"] = descriptor(b"c", CONFIG)
    payload = json.dumps(document).encode()
    push(registry, "a", "v1", payload, b"c", b"unused")
    driver.age()
    collect(driver, untagged=True)
    assert not findings(driver)
    assert registry.manifests.get("a", "v1").content == payload
    assert registry.blobs.stat("a", Digest.of(b"c"))
    assert {str(Digest.of(payload)), str(Digest.of(b"c"))} == names([payload])


def test_an_empty_index_is_taken_served_and_kept(driver, registry):
    payload = b'{"schemaVersion": 2, "manifests": null}'
    registry.manifests.put("a", "v1", payload, content_type=media_types.OCI_INDEX)
    driver.age()
    collect(driver, untagged=True)
    assert not findings(driver)
    assert registry.manifests.get("a", "v1").media_type == media_types.OCI_INDEX


def test_a_manifest_of_an_odd_shape_keeps_no_garbage_of_others(driver, registry):
    """Whatever an older registry took is read for its digests, if it is JSON at all."""
    odd = json.dumps({"config": 7, "x": [descriptor(b"1", LAYER)]}).encode()
    push(registry, "a", "v1", image(b"c", []), b"c", b"1", b"unused")
    driver.put(layout.blob_data(Digest.of(odd)), odd)
    driver.put(layout.revision_link("a", Digest.of(odd)), str(Digest.of(odd)).encode())
    driver.age()
    result, _ = collect(driver)
    assert not result.problems
    assert registry.blobs.stat("a", Digest.of(b"1"))
    with pytest.raises(RegistryError):
        registry.blobs.stat("a", Digest.of(b"unused"))
