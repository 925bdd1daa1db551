"""Text that Go's decoder takes and others do not: registry:2 stored it, so it is read here, too."""

from __future__ import annotations

import json

import pytest

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.json_text import replace_invalid_text
from holm_registry.oci.manifest import parse_manifest, parse_pushed_manifest, stored_media_type
from holm_registry.oci.references import references_in
from holm_registry.ui.model.documents import read

from ..images import descriptor, image

ODD = {
    "the first half of a pair": rb"\ud800",
    "the second half": rb"\uDFFF",
    "both in the wrong order": rb"\udc00\ud83d",
    "a first half before another escape": rb"\ud83d\n",
    "bytes that are no UTF-8": b"\xff\xfe",
    "a cut character": b"\xe2\x82",
}
odd = pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())


def with_text(text: bytes, field: str) -> bytes:
    """An image with a text in an annotation, in a layer's media type, or where nobody looks."""
    kind = "?" if field == "mediaType" else "a/b"
    document = json.loads(image(b"c", []))
    document |= {"layers": [descriptor(b"1", kind)]}
    if field != "mediaType":
        document[field] = {"a": "?"}
    return json.dumps(document).encode().replace(b'"?"', b'"' + text + b'"')


@odd
@pytest.mark.parametrize("field", ["annotations", "mediaType", "x"])
def test_a_stored_manifest_with_invalid_text_is_parsed(text, field):
    payload = with_text(text, field)
    assert references_in(payload).blobs == {Digest.of(b"c"), Digest.of(b"1")}
    assert parse_manifest(payload).media_type == media_types.OCI_MANIFEST
    assert stored_media_type(payload) == media_types.OCI_MANIFEST
    assert read(payload, dict)["schemaVersion"] == 2


@odd
@pytest.mark.parametrize("field", ["annotations", "mediaType", "x"])
def test_a_pushed_manifest_with_invalid_text_is_refused(text, field):
    with pytest.raises(ManifestInvalid, match=r"not UTF-8|half of a surrogate pair"):
        parse_pushed_manifest(with_text(text, field))


@pytest.mark.parametrize(
    "text", [rb"\ud83d\ude00", rb"\\ud800", rb"\\\\ud800", rb"\"\u00e9", "é".encode()]
)
def test_valid_text_stays_unchanged(text):
    payload = with_text(text, "annotations")
    assert replace_invalid_text(payload) == payload
    parse_pushed_manifest(payload)


def test_invalid_text_is_replaced_as_by_go():
    assert json.loads(replace_invalid_text(rb'"a\ud800b"')) == "a\ufffdb"
    assert json.loads(replace_invalid_text(b'"a\xffb"')) == "a\ufffdb"


def test_text_that_is_not_json_stays_invalid():
    for payload in (b'{"a":"\\ud800"', b"\xff", b""):
        with pytest.raises(ManifestInvalid):
            references_in(payload)
