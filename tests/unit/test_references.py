from __future__ import annotations

import json

import pytest

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.references import references_in

from ..images import descriptor, image, index


def test_an_image_refers_to_its_config_layers_and_subject():
    payload = image(b"c", [b"1", b"2"], subject=descriptor(b"s", "a/b"))
    named = references_in(payload)
    assert named.blobs == {Digest.of(b"c"), Digest.of(b"1"), Digest.of(b"2")}
    assert named.subject == Digest.of(b"s")
    assert not named.manifests


@pytest.mark.parametrize("media_type", [media_types.OCI_INDEX, media_types.DOCKER_LIST])
def test_an_index_refers_to_its_children(media_type):
    child = image(b"c", [])
    assert references_in(index([child], media_type=media_type)).manifests == {Digest.of(child)}


def test_a_schema_1_manifest_refers_to_its_layers():
    layers = [{"blobSum": str(Digest.of(b"1"))}, {"blobSum": str(Digest.of(b"2"))}]
    named = references_in(json.dumps({"schemaVersion": 1, "fsLayers": layers}).encode())
    assert named.blobs == {Digest.of(b"1"), Digest.of(b"2")}
    assert named.is_schema1


def test_every_digest_of_an_unsupported_kind_counts():
    payload = {"mediaType": "a/b", "deep": [{"x": f"{Digest.of(b'1', 'sha512')} and"}]}
    named = references_in(json.dumps(payload).encode())
    assert named.blobs == named.manifests == {Digest.of(b"1", "sha512")}


def test_a_child_with_another_media_type_is_a_blob():
    cache = descriptor(b"layer", "application/vnd.oci.image.layer.v1.tar+gzip")
    child = descriptor(b"image", media_types.OCI_MANIFEST)
    unknown = descriptor(b"unknown", "application/vnd.acme.manifest+json")
    untold = {key: value for key, value in descriptor(b"?", "").items() if key != "mediaType"}
    payload = {"schemaVersion": 2, "manifests": [cache, child, unknown, untold]}
    named = references_in(json.dumps(payload).encode())
    assert named.blob_children == {Digest.of(b"layer")}
    assert named.manifests == {Digest.of(b"image"), Digest.of(b"unknown"), Digest.of(b"?")}


def test_digests_anywhere_in_the_text_are_found():
    elsewhere = {"annotations": {"a": str(Digest.of(b"1"))}, "x": [[f"b@{Digest.of(b'2')}"]]}
    payload = image(b"c", [], subject=descriptor(b"s", "a/b"), **elsewhere)
    named = references_in(payload.replace(b"sha256:6b", b"\\u0073ha256\\u003a\\u0036b"))
    assert named.other_digests == {Digest.of(b"1"), Digest.of(b"2")}
    assert named.blobs == {Digest.of(b"c")}


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps({"config": 1, "x": str(Digest.of(b"1"))}).encode(),
        json.dumps({"layers": [None, str(Digest.of(b"1"))], "config": {}}).encode(),
        image(b"1", []).replace(b"layers", b"manifests", 1).replace(b"[]", b'[{"digest":"x"}]'),
    ],
)
def test_every_digest_of_an_unexpected_document_counts(payload):
    named = references_in(payload)
    assert not named.is_supported
    assert named.blobs == named.manifests == {Digest.of(b"1")}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'{"config": 1',
        image(b"c", [])[:-20],
    ],
)
def test_bytes_that_are_not_a_json_object_are_an_error(payload):
    with pytest.raises(ManifestInvalid):
        references_in(payload)
