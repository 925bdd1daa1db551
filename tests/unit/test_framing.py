"""Where the body of a request ends."""

from __future__ import annotations

import pytest

from holm_registry.http.framing import FramingInvalid, body_length
from holm_registry.oci.numbers import parse_decimal


@pytest.mark.parametrize(
    ("lengths", "codings", "length"),
    [
        ([], [], 0),
        ([b"0"], [], 0),
        ([b"007"], [], 7),
        ([b"9" * 19], [], 10**19 - 1),
        ([], [b"chunked"], None),
        ([], [b" Chunked\t"], None),
        ([], [b"", b", chunked,"], None),
    ],
)
def test_bodies_end_where_one_header_says(lengths, codings, length):
    assert body_length(b"HTTP/1.1", lengths, codings) == length


@pytest.mark.parametrize(
    ("lengths", "codings", "status"),
    [
        ([b"9" * 5000], [], 400),
        ([b""], [], 400),
        ([b"-1"], [], 400),
        ([b"+1"], [], 400),
        ([b"1 2"], [], 400),
        ([b"1_0"], [], 400),
        ([b"0x1"], [], 400),
        (["٣".encode()], [], 400),
        ([b"\xb2"], [], 400),
        ([b"5", b"5"], [], 400),
        ([b"5", b"6"], [], 400),
        ([b"5, 5"], [], 400),
        ([b"5"], [b"chunked"], 400),
        ([b"0"], [b"chunked"], 400),
        ([], [b""], 400),
        ([], [b"chunked, chunked"], 400),
        ([], [b"chunked", b"chunked"], 400),
        ([], [b"identity"], 501),
        ([], [b"gzip"], 501),
        ([], [b"gzip, chunked"], 501),
        ([], [b"chunked, gzip"], 501),
        ([], [b"chunked, identity"], 501),
        ([], [b"chunked;q=1"], 501),
        ([], [b"\x0bchunked"], 501),
        ([b"5"], [b"identity"], 501),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(lengths, codings, status):
    with pytest.raises(FramingInvalid) as refused:
        body_length(b"HTTP/1.1", lengths, codings)
    assert refused.value.status == status


def test_chunks_do_not_exist_before_http_1_1():
    with pytest.raises(FramingInvalid):
        body_length(b"HTTP/1.0", [], [b"chunked"])


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1 ", "1.0", "٣", "²", "1_0", "1" * 5000])
def test_a_number_is_a_few_ascii_digits_and_nothing_else(text):
    assert parse_decimal(text) is None
    assert parse_decimal(text.encode()) is None


def test_numbers_are_read():
    assert (parse_decimal("0"), parse_decimal(b"0012"), parse_decimal("123", 2)) == (0, 12, None)
