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
from holm_registry.oci.manifest import accept_manifest, parse_manifest, stored_media_type

from ..images import descriptor, image, index


def encoded(**fields) -> bytes:
    return json.dumps(fields).encode()


def test_an_image_names_its_config_and_layers():
    manifest = parse_manifest(image(b"c", [b"l1", b"l2"]), media_types.OCI_MANIFEST)
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
    assert manifest.media_type == media_types.OCI_INDEX


def test_the_type_of_an_artifact_is_its_own_or_its_configs():
    own = image(b"c", [], artifactType="application/x")
    assert parse_manifest(own).artifact_type == "application/x"
    config = descriptor(b"c", "application/vnd.cncf.helm.config.v1+json")
    helm = encoded(schemaVersion=2, mediaType=media_types.OCI_MANIFEST, config=config, layers=[])
    assert parse_manifest(helm).artifact_type == "application/vnd.cncf.helm.config.v1+json"


def test_a_manifest_without_media_type_is_what_its_shape_says():
    bare = json.loads(image(b"c", []))
    del bare["mediaType"]
    payload = json.dumps(bare).encode()
    assert parse_manifest(payload, media_types.OCI_MANIFEST).media_type == media_types.OCI_MANIFEST
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    assert stored_media_type(encoded(schemaVersion=2, manifests=[])) == media_types.OCI_INDEX


def test_an_artifact_of_any_type_is_taken():
    blob = descriptor(b"x", "text/plain")
    payload = encoded(mediaType="application/vnd.acme+json", blobs=[blob])
    manifest = parse_manifest(payload, "application/vnd.acme+json")
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"x")]


IMAGE = json.loads(image(b"c", [b"l"]))

#: What is not a media type of RFC 6838.
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
def test_what_is_no_media_type_is_refused_where_it_is_served_or_looked_for(text):
    config = {**IMAGE["config"], "mediaType": text}
    for name, fields in [
        ("mediaType", {"mediaType": text}),
        ("artifactType", {"artifactType": text}),
        ("config.mediaType", {"config": config}),
    ]:
        payload = encoded(**{**IMAGE, **fields})
        with pytest.raises(ManifestInvalid, match="not a media type") as caught:
            accept_manifest(payload)
        assert caught.value.detail == {name: text[:200]}
        # What an older registry took is understood.
        parse_manifest(payload)


@pytest.mark.parametrize("text", NO_TYPES)
def test_what_is_stored_is_never_served_as_what_is_no_media_type(text):
    payload = encoded(**{**IMAGE, "mediaType": text})
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    assert stored_media_type(encoded(mediaType=text)) == media_types.OCTET_STREAM


@pytest.mark.parametrize(
    "text", ["a/b", "application/vnd.acme.X+json", "x-a/b!#$&^_.+-", "1/2", "a/" + "b" * 127]
)
def test_any_media_type_is_taken_and_served_as_it_was_written(text):
    payload = encoded(**{**IMAGE, "mediaType": text, "artifactType": text})
    for content_type in ("", text, text.upper(), f"{text} ; charset=utf-8"):
        assert accept_manifest(payload, content_type).media_type == text
    assert stored_media_type(payload) == text


@pytest.mark.parametrize("text", ["", None, "text", "a b"])
def test_of_a_layer_any_media_type_is_taken_as_nothing_is_done_by_it(text):
    layer = {**IMAGE["layers"][0], "mediaType": text}
    assert len(accept_manifest(encoded(**{**IMAGE, "layers": [layer]})).blobs) == 2


@pytest.mark.parametrize(
    ("payload", "content_type", "complaint"),
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
def test_what_is_no_manifest_is_refused_with_its_reason(payload, content_type, complaint):
    with pytest.raises(ManifestInvalid, match=complaint):
        parse_manifest(payload, content_type)


@pytest.mark.parametrize("layers", [{"layers": None}, {"layers": []}, {}])
@pytest.mark.parametrize("declared", [{"mediaType": media_types.OCI_MANIFEST}, {"mediaType": None}])
def test_an_image_without_layers_is_an_image(layers, declared):
    bare = {"schemaVersion": 2, "config": IMAGE["config"], "manifests": None}
    payload = encoded(**bare, **layers, **declared)
    manifest = accept_manifest(payload, media_types.OCI_MANIFEST)
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"c")]
    assert stored_media_type(payload) == media_types.OCI_MANIFEST


@pytest.mark.parametrize("children", [{"manifests": None}, {"manifests": []}])
@pytest.mark.parametrize("declared", [{"mediaType": media_types.OCI_INDEX}, {}])
def test_an_index_without_children_is_an_index(children, declared):
    payload = encoded(schemaVersion=2, **children, **declared, config=None, layers=None)
    assert accept_manifest(payload, media_types.OCI_INDEX).manifests == ()
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
def test_null_says_as_much_as_leaving_it_out(fields):
    payload = encoded(**{**IMAGE, **fields})
    manifest = accept_manifest(payload)
    assert len(manifest.blobs) == 2
    assert manifest.referrer(Digest.of(payload), len(payload)).media_type == manifest.media_type


def nested(depth: int) -> str:
    """Make JSON of so many levels."""
    return "[" * depth + "]" * depth


def with_field(value: str, name: str = "x") -> bytes:
    return image(b"c", [b"l"])[:-1] + f', "{name}": {value}}}'.encode()


@pytest.mark.parametrize(
    ("payload", "complaint"),
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
def test_what_decoders_pass_over_is_looked_at_before_it_is_taken_in(payload, complaint):
    with pytest.raises(ManifestInvalid, match=complaint):
        accept_manifest(payload)


def test_brackets_in_strings_are_no_levels():
    text = json.dumps('"\\' + "[{" * 1000 + '\\"')
    accept_manifest(with_field(text))
    accept_manifest(with_field(nested(MAX_DEPTH - 1)))
    accept_manifest(with_field(f"[{','.join([nested(10)] * 1000)}]"))


@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 985, 990, 5_000, 100_000])
def test_a_manifest_of_any_depth_that_an_older_registry_took_keeps_its_type(depth):
    payload = with_field(nested(depth))
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    manifest = parse_manifest(payload)
    assert [digest for digest, _ in manifest.blobs] == [Digest.of(b"c"), Digest.of(b"l")]


def test_what_other_kinds_call_annotations_may_be_anything():
    payload = encoded(mediaType="application/vnd.acme+json", annotations={"a": 1})
    assert accept_manifest(payload).annotations == {}


@pytest.mark.parametrize("value", [f'{{"a": {nested(500)}}}', '{"a": 1}', "[]", "7"])
def test_odd_annotations_that_an_older_registry_took_are_left_out_of_lists(value):
    payload = with_field(value, "annotations")
    described = parse_manifest(payload).referrer(Digest.of(payload), len(payload))
    assert b"annotations" not in msgspec.json.encode(described)


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
    assert stored_media_type(encoded(schemaVersion=1)) == media_types.DOCKER_SCHEMA1_SIGNED
