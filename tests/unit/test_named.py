from __future__ import annotations

import json

import pytest

from holm_registry.oci import mediatypes
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.named import named_in

from ..images import descriptor, image, index


def test_an_image_names_its_config_layers_and_subject():
    payload = image(b"c", [b"1", b"2"], subject=descriptor(b"s", "a/b"))
    named = named_in(payload)
    assert named.blobs == {Digest.of(b"c"), Digest.of(b"1"), Digest.of(b"2")}
    assert named.subject == Digest.of(b"s")
    assert not named.manifests


@pytest.mark.parametrize("media_type", [mediatypes.OCI_INDEX, mediatypes.DOCKER_LIST])
def test_an_index_names_its_children(media_type):
    child = image(b"c", [])
    assert named_in(index([child], media_type=media_type)).manifests == {Digest.of(child)}


def test_a_schema_1_manifest_names_its_layers():
    layers = [{"blobSum": str(Digest.of(b"1"))}, {"blobSum": str(Digest.of(b"2"))}]
    named = named_in(json.dumps({"schemaVersion": 1, "fsLayers": layers}).encode())
    assert named.blobs == {Digest.of(b"1"), Digest.of(b"2")}
    assert named.is_schema1


def test_of_an_unknown_kind_every_digest_counts():
    payload = {"mediaType": "a/b", "deep": [{"x": f"{Digest.of(b'1', 'sha512')} and"}]}
    named = named_in(json.dumps(payload).encode())
    assert named.blobs == named.manifests == {Digest.of(b"1", "sha512")}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'{"config": 1}',
        image(b"c", []).replace(b"sha256:", b"sha384:"),
        image(b"c", [])[:-20],
    ],
)
def test_what_cannot_be_understood_is_said(payload):
    with pytest.raises(ManifestInvalid):
        named_in(payload)
