from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import RegistryError
from holm_registry.oci.preconditions import accepts, is_not_modified, require_if_match

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
        ([LIST.upper()], True),
        ([f"{LIST};charset=utf-8"], True),
        ([f"{IMAGE}, */*;q=0.1"], True),
        ([IMAGE, "application/*;q=0.001"], True),
        (["text/html, *; q=.2"], True),
        ([", ,", ""], True),
        (["*/*;q=0"], False),
        ([f"*/*;q=0, {LIST}"], True),
        ([f"*/*;q=0, {LIST};q=0.001"], True),
        ([f"{LIST};q=0, */*"], False),
        ([f"{LIST};q=0", "application/*"], False),
        (["application/*;q=0, */*"], False),
        ([f"{LIST};q=1.000"], True),
        ([f"{IMAGE};q=0, {LIST}"], True),
        ([f'text/plain;x="a, {LIST}"'], False),
    ],
)
def test_accept_headers_are_parsed(headers, expected):
    assert accepts(headers, LIST) is expected


@pytest.mark.parametrize("zero", ["0", "0.0", "0.00", "0.000", "0.", "0.0 "])
@pytest.mark.parametrize("name", ["q", "Q", "a=b;q", ' a="x;q=1";q'])
def test_a_quality_of_zero_is_not_acceptable_however_it_is_written(zero, name):
    assert not accepts([f"{IMAGE}, {LIST};{name}={zero}"], LIST)
    assert not accepts([f"{LIST} ; {name}={zero}, */*"], LIST)


@given(st.lists(st.text(max_size=40), max_size=3))
def test_no_accept_header_breaks_the_parser(headers):
    assert accepts(headers, LIST) in (True, False)


def test_if_none_match_may_be_quoted_or_not():
    digest = Digest.of(b"x")
    for headers in (
        *([f'"{digest}"'], [str(digest)], [f'W/"{digest}"'], [f'"other", "{digest}"'], ["*"]),
        *(
            [f'"a,b" , W/"{digest}"'],
            ['"other"', f'"{digest}"'],
            [f'"other",, "{digest}" '],
            [" * "],
        ),
    ):
        assert is_not_modified(headers, digest)
    for headers in ([], [""], ['"other"'], [str(Digest.of(b"y"))], [f'"other,{digest}"'], [","]):
        assert not is_not_modified(headers, digest)


def test_if_match_is_compared_strongly():
    digest = Digest.of(b"x")
    for headers in ([], [f'"{digest}"'], ["*"], [f'W/"other", "{digest}"'], ['"x"', f'"{digest}"']):
        require_if_match(headers, digest)
    for headers in ([""], ['"other"'], [f'W/"{digest}"'], [f'"other,{digest}"']):
        with pytest.raises(RegistryError) as caught:
            require_if_match(headers, digest)
        assert caught.value.status == 412
