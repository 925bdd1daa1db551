from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci.errors import RangeInvalid
from holm_registry.oci.ranges import ByteRange, parse_chunk_range, parse_range, upload_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=5-99", (5, 10)),
        ("Bytes = 5-99", (5, 10)),
    ],
)
def test_one_range_is_cut_to_the_content(header, expected):
    assert parse_range(header, 10) == ByteRange(*expected)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=5-2", "bytes=-0"])
def test_a_range_without_a_byte_is_refused_with_the_size(header):
    with pytest.raises(RangeInvalid) as caught:
        parse_range(header, 10)
    assert caught.value.headers == {"Content-Range": "bytes */10"}
    assert caught.value.status == 416


@pytest.mark.parametrize("header", [None, "items=0-1", "bytes=0-1,4-5", "bytes=x-y", "bytes=-"])
def test_what_is_no_single_range_asks_for_everything(header):
    assert parse_range(header, 10) is None


@given(st.binary(min_size=1), st.integers(0, 50), st.integers(0, 50))
def test_a_range_selects_what_a_slice_does(content, first, last):
    try:
        found = parse_range(f"bytes={first}-{last}", len(content))
    except RangeInvalid:
        assert content[first : last + 1] == b""
    else:
        assert content[found.start : found.stop] == content[first : last + 1] != b""


@given(st.text(max_size=30), st.integers(0, 100))
def test_no_header_breaks_the_parser(header, size):
    try:
        found = parse_range(header, size)
    except RangeInvalid:
        return
    assert found is None or 0 <= found.start < found.stop <= size


@pytest.mark.parametrize("header", ["0-9", "bytes 0-9/100", "bytes 0-9/*", " 0-9 "])
def test_chunk_ranges_are_read_with_and_without_their_unit(header):
    assert parse_chunk_range(header) == ByteRange(0, 10)


@pytest.mark.parametrize("header", ["", "5", "5-", "-5", "9-0", "a-b", "0-9-", "1" * 30 + "-2"])
def test_other_chunk_ranges_are_refused(header):
    with pytest.raises(RangeInvalid):
        parse_chunk_range(header)


def test_no_chunk_range_is_none():
    assert parse_chunk_range(None) is None


def test_an_upload_range_ends_with_its_last_byte():
    assert [upload_range(size) for size in (0, 1, 10)] == ["0-0", "0-0", "0-9"]
