from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci import mediatypes
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.manifest import parse_manifest, stored_media_type

from ..images import descriptor, image, index


def encoded(**fields) -> bytes:
    return json.dumps(fields).encode()


def test_an_image_names_its_config_and_layers():
    manifest = parse_manifest(image(b"c", [b"l1", b"l2"]), mediatypes.OCI_MANIFEST)
    assert [digest for digest, _ in manifest.blobs] == [
        Digest.of(b"c"),
        Digest.of(b"l1"),
        Digest.of(b"l2"),
    ]
    assert manifest.manifests == ()
    assert manifest.subject is None


def test_an_index_names_its_children():
    child = image(b"c", [])
    manifest = parse_manifest(index([child]))
    assert [digest for digest, _ in manifest.manifests] == [Digest.of(child)]
    assert manifest.media_type == mediatypes.OCI_INDEX


def test_the_type_of_an_artifact_is_its_own_or_its_configs():
    own = image(b"c", [], artifactType="application/x")
    assert parse_manifest(own).artifact_type == "application/x"
    config = descriptor(b"c", "application/vnd.cncf.helm.config.v1+json")
    helm = encoded(schemaVersion=2, mediaType=mediatypes.OCI_MANIFEST, config=config, layers=[])
    assert parse_manifest(helm).artifact_type == "application/vnd.cncf.helm.config.v1+json"


def test_a_manifest_without_media_type_is_what_its_shape_says():
    bare = json.loads(image(b"c", []))
    del bare["mediaType"]
    payload = json.dumps(bare).encode()
    assert parse_manifest(payload, mediatypes.OCI_MANIFEST).media_type == mediatypes.OCI_MANIFEST
    assert stored_media_type(payload) == mediatypes.OCI_MANIFEST
    assert stored_media_type(encoded(schemaVersion=2, manifests=[])) == mediatypes.OCI_INDEX


def test_an_artifact_of_any_type_is_taken():
    blob = descriptor(b"x", "text/plain")
    payload = encoded(mediaType="application/vnd.acme+json", blobs=[blob])
    manifest = parse_manifest(payload, "application/vnd.acme+json")
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"x")]


IMAGE = json.loads(image(b"c", [b"l"]))


@pytest.mark.parametrize(
    ("payload", "content_type", "complaint"),
    [
        (b"", "", "does not parse"),
        (b"[]", "", "does not parse"),
        (b"{", "", "does not parse"),
        (b"\xff\xfe", "", "does not parse"),
        (b'{"a":' * 100_000, "", "does not parse"),
        (b"{}", "", "no media type"),
        (b"{}", mediatypes.OCI_MANIFEST, "without mediaType"),
        (encoded(schemaVersion=1), "", "schema 1"),
        (image(b"c", []), mediatypes.DOCKER_SCHEMA1_SIGNED, "schema 1"),
        (image(b"c", []), mediatypes.DOCKER_MANIFEST, "differs from Content-Type"),
        (encoded(**{**IMAGE, "manifests": []}), "", "may not hold both"),
        (encoded(**{**IMAGE, "config": None}), "", "must hold config"),
        (encoded(**{**IMAGE, "layers": None}), "", "must hold config"),
        (encoded(**{**IMAGE, "schemaVersion": 3}), "", "schemaVersion"),
        (encoded(schemaVersion=2, mediaType=mediatypes.OCI_INDEX), "", "must hold manifests"),
        (encoded(**{**IMAGE, "config": {"digest": "sha256:x", "size": 1}}), "", "invalid digest"),
        (encoded(**{**IMAGE, "config": {**IMAGE["config"], "size": -1}}), "", "negative size"),
        (encoded(**{**IMAGE, "config": {**IMAGE["config"], "size": "1"}}), "", "does not parse"),
        (encoded(**{**IMAGE, "subject": {"digest": "md5:1", "size": 1}}), "", "unsupported digest"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_reason(payload, content_type, complaint):
    with pytest.raises(ManifestInvalid, match=complaint):
        parse_manifest(payload, content_type)


@given(st.binary(max_size=60))
def test_nothing_stored_breaks_the_reader(payload):
    assert stored_media_type(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "schemaVersion",
                    "mediaType",
                    "config",
                    "layers",
                    "manifests",
                    "subject",
                    "digest",
                    "size",
                    "annotations",
                    "urls",
                    "platform",
                ]
            ),
            below,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(list(IMAGE)), json_values))
def test_no_document_breaks_the_parser(fields):
    payload = json.dumps({**IMAGE, **fields}).encode()
    with suppress(ManifestInvalid):
        parse_manifest(payload)
    assert stored_media_type(payload)


def test_schema_1_that_an_old_registry_stored_is_served_as_what_it_is():
    assert stored_media_type(encoded(schemaVersion=1)) == mediatypes.DOCKER_SCHEMA1_SIGNED
