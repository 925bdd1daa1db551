from __future__ import annotations

import pytest

from holm_registry.oci.conditions import accepts, matches
from holm_registry.oci.digest import Digest

LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGE = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], True),
        ([""], True),
        (["*/*"], True),
        (["application/*"], True),
        ([LIST], True),
        ([f"{IMAGE}, {LIST};q=0.5"], True),
        ([IMAGE, LIST], True),
        ([IMAGE], False),
        (["text/*"], False),
        ([f"{IMAGE}, {LIST};q=0"], False),
    ],
)
def test_accept_headers_are_understood(headers, expected):
    assert accepts(headers, LIST) is expected


def test_if_none_match_is_understood_quoted_or_not():
    digest = Digest.of(b"x")
    for header in (f'"{digest}"', str(digest), f'W/"{digest}"', f'"other", "{digest}"', "*"):
        assert matches(header, digest)
    for header in (None, "", '"other"', str(Digest.of(b"y"))):
        assert not matches(header, digest)
