from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci.digest import Digest, parse_algorithm
from holm_registry.oci.errors import DigestInvalid

from ..strategies import digests


@given(digests)
def test_parsing_reverses_formatting(digest):
    assert Digest.parse(str(digest)) == digest


@given(st.binary())
def test_content_hashes_as_the_standard_library_does(content):
    assert Digest.of(content).encoded == hashlib.sha256(content).hexdigest()
    assert Digest.of(content, "sha512").encoded == hashlib.sha512(content).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256:",
        "sha256:baddigeststring",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha512:" + "a" * 64,
        "md5:" + "a" * 32,
        "sha256:" + "a" * 64 + "\n",
        "sha256:../../../../etc/passwd",
        "SHA256:" + "a" * 64,
    ],
)
def test_other_texts_are_not_digests(text):
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


def test_the_error_names_an_unsupported_algorithm():
    with pytest.raises(DigestInvalid, match="unsupported digest algorithm"):
        Digest.parse("blake3:" + "a" * 64)
    with pytest.raises(DigestInvalid, match="supported: sha256, sha512"):
        parse_algorithm("md5")


def test_the_detail_of_a_huge_digest_is_short():
    with pytest.raises(DigestInvalid) as caught:
        Digest.parse("x" * 100_000)
    assert len(str(caught.value.detail)) < 300
