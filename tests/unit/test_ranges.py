from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci.errors import RangeInvalid
from holm_registry.oci.ranges import (
    MAX_RANGES,
    ByteRange,
    format_upload_range,
    parse_chunk_range,
    parse_ranges,
)


def spans(header, size=10):
    return [(each.start, each.stop) for each in parse_ranges(header, size)]


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
        ("bytes=,5-99, ,", (5, 10)),
        ("bytes=0-" + "9" * 5000, (0, 10)),
        ("bytes=-" + "9" * 5000, (0, 10)),
        ("bytes=" + "0" * 5000 + "2-3", (2, 4)),
    ],
)
def test_one_range_is_cut_to_the_content(header, expected):
    assert spans(header) == [expected]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-1,4-5", [(0, 2), (4, 6)]),
        ("bytes=0-1 ,\t4-5,,-2", [(0, 2), (4, 6), (8, 10)]),
        ("bytes=8-,0-1", [(8, 10), (0, 2)]),
        ("bytes=0-1,2-3", [(0, 2), (2, 4)]),
        ("bytes=0-1,99-", [(0, 2)]),
        ("bytes=-0,8-99,10-11", [(8, 10)]),
    ],
)
def test_several_ranges_keep_the_order_of_the_header(header, expected):
    assert spans(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        "bytes=10-",
        "bytes=10-12",
        "bytes=5-2",
        "bytes=-0",
        "bytes=10-,-0",
        "bytes=" + "9" * 5000 + "-",
    ],
)
@pytest.mark.parametrize("size", [10, 0])
def test_an_unsatisfiable_range_is_refused_with_the_size(header, size):
    with pytest.raises(RangeInvalid) as caught:
        parse_ranges(header, size)
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}
    assert caught.value.status == 416


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "bytes", "bytes=", "bytes=,", "items=0-1", "bytes=x-y", "bytes=-", "bytes=--1"),
        *("bytes=0-1,x", "bytes=0-1,5-2", "bytes=0-1;4-5", "bytes 0-1", "bytesx=0-1", "bytes=1"),
        *("bytes=0-1,1-2", "bytes=0-,-1", "bytes=4-5,0-9", "bytes=0-1,0-1", "bytes=-3,-4"),
        *(
            "bytes=\u0660-\u0665",
            "bytes=0-1,\u0664-5",
            "bytes=\u20020-1",
            "bytes=0 -1",
            "bytes=+0-1",
        ),
    ],
)
def test_invalid_or_overlapping_ranges_mean_the_whole_content(header):
    assert spans(header) == []


def test_the_number_of_ranges_is_limited():
    specs = [f"{2 * each}-{2 * each}" for each in range(MAX_RANGES + 1)]
    assert len(spans("bytes=" + ",".join(specs[:-1]), 10_000)) == MAX_RANGES
    assert spans("bytes=" + ",".join(specs), 10_000) == []


@given(st.binary(min_size=1), st.integers(0, 50), st.integers(0, 50))
def test_a_range_selects_the_same_bytes_as_a_slice(content, first, last):
    try:
        (found,) = parse_ranges(f"bytes={first}-{last}", len(content))
    except RangeInvalid:
        assert content[first : last + 1] == b""
    else:
        assert content[found.start : found.stop] == content[first : last + 1] != b""


@given(
    st.text(max_size=30) | st.text("bytes=0123456789-, ").map("bytes={}".format),
    st.integers(0, 100),
)
def test_no_header_breaks_the_parser(header, size):
    try:
        found = parse_ranges(header, size)
    except RangeInvalid:
        return
    assert all(0 <= each.start < each.stop <= size for each in found)
    taken = [number for each in found for number in range(each.start, each.stop)]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("header", ["0-9", "bytes 0-9/100", "bytes 0-9/*", " 0-9 "])
def test_chunk_ranges_are_parsed_with_and_without_their_unit(header):
    assert parse_chunk_range(header, 0) == ByteRange(0, 10)


@pytest.mark.parametrize(
    "header", ["5", "5-", "-5", "9-0", "a-b", "0-9-", "1" * 30 + "-2", "\u0660-9"]
)
def test_other_chunk_ranges_are_refused(header):
    with pytest.raises(RangeInvalid):
        parse_chunk_range(header, 0)


def test_a_missing_chunk_range_is_none():
    assert parse_chunk_range(None, 0) is None
    assert parse_chunk_range("", 0) is None


def test_an_upload_range_ends_with_its_last_byte():
    assert [format_upload_range(size) for size in (0, 1, 10)] == ["0-0", "0-0", "0-9"]
