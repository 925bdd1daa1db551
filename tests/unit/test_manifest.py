from __future__ import annotations

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.json_text import MAX_DEPTH
from holm_registry.oci.manifest import parse_manifest, parse_pushed_manifest, stored_media_type

from ..images import descriptor, image, index


def encoded(**fields) -> bytes:
    return json.dumps(fields).encode()


def test_an_image_refers_to_its_config_and_layers():
    manifest = parse_manifest(image(b"c", [b"l1", b"l2"]), media_types.OCI_MANIFEST)
    assert [digest for digest, _ in manifest.blobs] == [
        Digest.of(b"c"),
        Digest.of(b"l1"),
        Digest.of(b"l2"),
    ]
    assert manifest.manifests == ()
    assert manifest.subject is None


def test_an_index_refers_to_its_children():
    child = image(b"c", [])
    manifest = parse_manifest(index([child]))
    assert [digest for digest, _ in manifest.manifests] == [Digest.of(child)]
    assert manifest.media_type == media_types.OCI_INDEX


def test_the_type_of_an_artifact_is_its_own_or_its_configs():
    own = image(b"c", [], artifactType="application/x")
    assert parse_manifest(own).artifact_type == "application/x"
    config = descriptor(b"c", "application/vnd.cncf.helm.config.v1+json")
    helm = encoded(schemaVersion=2, mediaType=media_types.OCI_MANIFEST, config=config, layers=[])
    assert parse_manifest(helm).artifact_type == "application/vnd.cncf.helm.config.v1+json"


def test_the_fields_of_a_manifest_without_media_type_decide_its_type():
    bare = json.loads(image(b"c", []))
    del bare["mediaType"]
    payload = json.dumps(bare).encode()
    assert parse_manifest(payload, media_types.OCI_MANIFEST).media_type == media_types.OCI_MANIFEST
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    assert stored_media_type(encoded(schemaVersion=2, manifests=[])) == media_types.OCI_INDEX


def test_an_artifact_of_any_type_is_accepted():
    blob = descriptor(b"x", "text/plain")
    payload = encoded(mediaType="application/vnd.acme+json", blobs=[blob])
    manifest = parse_manifest(payload, "application/vnd.acme+json")
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"x")]


IMAGE = json.loads(image(b"c", [b"l"]))

#: Texts that are not media types by RFC 6838.
NO_TYPES = [
    *("text", "text/", "/html", "text/html; charset=utf-8", "text /html", "a/b/c", "*/*", "a/*"),
    *(
        "text/html\r\nX: y",
        "text/html\n",
        "te\u00e4xt/html",
        "text/h\u0000tml",
        "text/html,a/b",
        ";",
    ),
    *("-a/b", "a/.b", "a/" + "b" * 128, "a" * 128 + "/b", '"a/b"', "a/b ", " a/b", "<a>/b"),
]


@pytest.mark.parametrize("text", NO_TYPES)
def test_invalid_media_types_are_refused_where_the_registry_uses_them(text):
    config = {**IMAGE["config"], "mediaType": text}
    for name, fields in [
        ("mediaType", {"mediaType": text}),
        ("artifactType", {"artifactType": text}),
        ("config.mediaType", {"config": config}),
    ]:
        payload = encoded(**{**IMAGE, **fields})
        with pytest.raises(ManifestInvalid, match="not a media type") as caught:
            parse_pushed_manifest(payload)
        assert caught.value.detail == {name: text[:200]}
        # A stored manifest of an older registry is parsed.
        parse_manifest(payload)


@pytest.mark.parametrize("text", NO_TYPES)
def test_a_stored_manifest_is_never_served_with_an_invalid_media_type(text):
    payload = encoded(**{**IMAGE, "mediaType": text})
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    assert stored_media_type(encoded(mediaType=text)) == media_types.OCTET_STREAM


@pytest.mark.parametrize(
    "text", ["a/b", "application/vnd.acme.X+json", "x-a/b!#$&^_.+-", "1/2", "a/" + "b" * 127]
)
def test_any_valid_media_type_is_accepted_and_served_unchanged(text):
    payload = encoded(**{**IMAGE, "mediaType": text, "artifactType": text})
    for content_type in ("", text, text.upper(), f"{text} ; charset=utf-8"):
        assert parse_pushed_manifest(payload, content_type).media_type == text
    assert stored_media_type(payload) == text


@pytest.mark.parametrize("text", ["", None, "text", "a b"])
def test_a_layer_may_have_any_media_type(text):
    layer = {**IMAGE["layers"][0], "mediaType": text}
    assert len(parse_pushed_manifest(encoded(**{**IMAGE, "layers": [layer]})).blobs) == 2


@pytest.mark.parametrize(
    ("payload", "content_type", "reason"),
    [
        (b"", "", "does not parse"),
        (b"[]", "", "does not parse"),
        (b"{", "", "does not parse"),
        (b"\xff\xfe", "", "does not parse"),
        (b'{"a":' * 50_000, "", "does not parse"),
        (b"{}", "", "no media type"),
        (b"{}", media_types.OCI_MANIFEST, "without mediaType"),
        (encoded(schemaVersion=1), "", "schema 1"),
        (image(b"c", []), media_types.DOCKER_SCHEMA1_SIGNED, "schema 1"),
        (image(b"c", []), media_types.DOCKER_MANIFEST, "differs from Content-Type"),
        (encoded(**{**IMAGE, "manifests": []}), "", "may not hold both"),
        (encoded(**{**IMAGE, "config": None}), "", "must hold a config"),
        (encoded(**{**IMAGE, "schemaVersion": 3}), "", "schemaVersion"),
        (encoded(**{**IMAGE, "mediaType": media_types.OCI_INDEX}), "", "may not hold config"),
        (encoded(**{**IMAGE, "config": {"digest": "sha256:x", "size": 1}}), "", "invalid digest"),
        (encoded(**{**IMAGE, "config": {**IMAGE["config"], "size": -1}}), "", "negative size"),
        (encoded(**{**IMAGE, "config": {**IMAGE["config"], "size": "1"}}), "", "does not parse"),
        (encoded(**{**IMAGE, "subject": {"digest": "md5:1", "size": 1}}), "", "unsupported digest"),
    ],
)
def test_invalid_manifests_are_refused_with_the_reason(payload, content_type, reason):
    with pytest.raises(ManifestInvalid, match=reason):
        parse_manifest(payload, content_type)


@pytest.mark.parametrize("layers", [{"layers": None}, {"layers": []}, {}])
@pytest.mark.parametrize("declared", [{"mediaType": media_types.OCI_MANIFEST}, {"mediaType": None}])
def test_an_image_without_layers_is_an_image(layers, declared):
    bare = {"schemaVersion": 2, "config": IMAGE["config"], "manifests": None}
    payload = encoded(**bare, **layers, **declared)
    manifest = parse_pushed_manifest(payload, media_types.OCI_MANIFEST)
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"c")]
    assert stored_media_type(payload) == media_types.OCI_MANIFEST


@pytest.mark.parametrize("children", [{"manifests": None}, {"manifests": []}])
@pytest.mark.parametrize("declared", [{"mediaType": media_types.OCI_INDEX}, {}])
def test_an_index_without_children_is_an_index(children, declared):
    payload = encoded(schemaVersion=2, **children, **declared, config=None, layers=None)
    assert parse_pushed_manifest(payload, media_types.OCI_INDEX).manifests == ()
    assert stored_media_type(payload) == media_types.OCI_INDEX


@pytest.mark.parametrize(
    "fields",
    [
        {"artifactType": None},
        {"annotations": None},
        {"subject": None},
        {"blobs": None},
        {"config": {**IMAGE["config"], "urls": None, "platform": None, "annotations": None}},
        {"layers": [{**IMAGE["config"], "mediaType": None}]},
        {"config": {**IMAGE["config"], "platform": {"os": None, "architecture": None}}},
    ],
)
def test_a_null_field_counts_as_missing(fields):
    payload = encoded(**{**IMAGE, **fields})
    manifest = parse_pushed_manifest(payload)
    assert len(manifest.blobs) == 2
    assert manifest.referrer(Digest.of(payload), len(payload)).media_type == manifest.media_type


def nested(depth: int) -> str:
    """Make JSON of so many levels."""
    return "[" * depth + "]" * depth


def with_field(value: str, name: str = "x") -> bytes:
    return image(b"c", [b"l"])[:-1] + f', "{name}": {value}}}'.encode()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (with_field(nested(MAX_DEPTH)), "nested deeper than 64 levels"),
        (with_field(nested(985)), "nested deeper"),
        (with_field(nested(100_000)), "nested deeper|does not parse"),
        (with_field(f'{{"a": {nested(985)}}}', "annotations"), "nested deeper"),
        (with_field('"\xff"').replace(b"\xc3\xbf", b"\xff"), "not UTF-8"),
        (with_field('"\xff"', "author").replace(b"\xc3\xbf", b"\xed\xa0\x80"), "not UTF-8"),
        (with_field('{"a": []}', "annotations"), "annotations must be strings"),
        (with_field('{"a": null}', "annotations"), "annotations must be strings"),
        (with_field("[]", "annotations"), "annotations must be strings"),
    ],
)
def test_fields_that_decoders_skip_are_checked_in_pushed_manifests(payload, reason):
    with pytest.raises(ManifestInvalid, match=reason):
        parse_pushed_manifest(payload)


def test_brackets_in_strings_are_not_levels_of_nesting():
    text = json.dumps('"\\' + "[{" * 1000 + '\\"')
    parse_pushed_manifest(with_field(text))
    parse_pushed_manifest(with_field(nested(MAX_DEPTH - 1)))
    parse_pushed_manifest(with_field(f"[{','.join([nested(10)] * 1000)}]"))


@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 985, 990, 5_000, 100_000])
def test_a_stored_manifest_of_any_depth_keeps_its_type(depth):
    payload = with_field(nested(depth))
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    manifest = parse_manifest(payload)
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"c"), Digest.of(b"l")]


def test_annotations_of_other_types_may_be_anything():
    payload = encoded(mediaType="application/vnd.acme+json", annotations={"a": 1})
    assert parse_pushed_manifest(payload).annotations == {}


@pytest.mark.parametrize("value", [f'{{"a": {nested(500)}}}', '{"a": 1}', "[]", "7"])
def test_invalid_annotations_of_a_stored_manifest_are_omitted_from_lists(value):
    payload = with_field(value, "annotations")
    described = parse_manifest(payload).referrer(Digest.of(payload), len(payload))
    assert b"annotations" not in msgspec.json.encode(described)


@given(st.binary(max_size=60))
def test_no_stored_bytes_break_the_parser(payload):
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


def test_a_stored_schema_1_manifest_is_served_with_its_type():
    assert stored_media_type(encoded(schemaVersion=1)) == media_types.DOCKER_SCHEMA1_SIGNED
