from __future__ import annotations

import pytest
from hypothesis import given

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUploadUnknown, DigestInvalid, NameInvalid, TagInvalid
from holm_registry.oci.names import parse_repository, parse_session_id, parse_tag
from holm_registry.oci.tag_or_digest import parse_reference

from ..strategies import digests, repositories, tags


@given(repositories)
def test_names_of_the_grammar_are_accepted(name):
    assert parse_repository(name) == name


@pytest.mark.parametrize("name", ["a", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0", "a/blobs/b"])
def test_ordinary_names_are_accepted(name):
    assert parse_repository(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "a/",
        "/a",
        "a//b",
        "..",
        "a/../b",
        "a..b",
        "a___b",
        "-a",
        "a-",
        "a b",
        "ä",
        "a\0",
        "_a",
        "a\n",
        "a" * 256,
        "a/" * 128,
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(NameInvalid):
        parse_repository(name)


def test_the_longest_name_is_accepted():
    assert parse_repository("a" * 255)


@given(tags)
def test_tags_of_the_grammar_are_accepted(tag):
    assert parse_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a/b", "a:b", "a b", "a" * 129, "ä", "..", "a\n"])
def test_other_tags_are_refused(tag):
    with pytest.raises(TagInvalid):
        parse_tag(tag)


@given(digests)
def test_a_reference_with_a_colon_is_a_digest(digest):
    assert parse_reference(str(digest)) == digest


def test_a_reference_without_a_colon_is_a_tag():
    assert parse_reference("latest") == "latest"
    with pytest.raises(DigestInvalid):
        parse_reference("sha256:short")
    assert isinstance(parse_reference(str(Digest.of(b""))), Digest)


@pytest.mark.parametrize("text", ["3d0b1c1e-8d5a-4f5c-9c35-6a2f7f6e0a11", "abc_=.-"])
def test_session_ids_of_both_registries_are_accepted(text):
    assert parse_session_id(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", ".hidden", "a/b", "a" * 129, "a%2f", "a\0b"])
def test_session_ids_that_are_not_file_names_are_unknown(text):
    with pytest.raises(BlobUploadUnknown):
        parse_session_id(text)
