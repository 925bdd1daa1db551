"""Bodies in chunks, taken apart."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.http.chunked import (
    MAX_LINE_BYTES,
    MAX_TRAILER_BYTES,
    ChunkDecoder,
    ChunksInvalid,
)


def decode(*pieces: bytes) -> tuple[bytes, bytes, bool]:
    """Decode what arrives in pieces; give the body, what follows it, and whether it ended."""
    decoder = ChunkDecoder()
    body, rest = b"", b""
    for piece in pieces:
        if decoder.complete:
            rest += piece
            continue
        part, rest = decoder.decode(piece)
        body += part
    return body, rest, decoder.complete


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


EXTENSIONS = st.sampled_from([b"", b";a", b";a=b", b' ;a="b c"', b"\t;"])
TRAILERS = st.lists(st.sampled_from([b"Expires: never", b"X-Checksum:1", b"a:"]), max_size=3)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), EXTENSIONS), max_size=8),
    TRAILERS,
    st.binary(max_size=10),
    st.lists(st.integers(0, 1000), max_size=30),
)
def test_a_body_is_the_same_however_it_arrives(chunks, trailers, rest, places):
    text = b"".join(b"%X%b\r\n%b\r\n" % (len(data), more, data) for data, more in chunks)
    text += b"0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n" + rest
    body = b"".join(data for data, _ in chunks)
    assert decode(*cut(text, places)) == (body, rest, True)
    assert decode(*(text[at : at + 1] for at in range(len(text)))) == (body, rest, True)


@pytest.mark.parametrize(
    "text",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"0x1\r\n",
        b"1_0\r\n",
        b"\xb2\r\n",
        b"1\n",
        b"1\ra",
        b"1;a\x00\r\n",
        b"1;a\nb\r\n",
        b"1" * 16 + b"\r\n",
        b"1\r\nab",
        b"1\r\na\n1",
        b"1\r\na\r\r\n",
        b"1\r\na\r\n\r\n",
        b"5\r\n01234\r\nnonsense\r\n",
        b"0\r\nno field\r\n",
        b"0\r\n: nothing\r\n",
        b"0\r\n folded: line\r\n",
        b"0\r\na b: c\r\n",
        b"0\r\na: \x00\r\n",
        b"1;" + b"a" * MAX_LINE_BYTES + b"\r\n",
        b"1;" + b"a" * MAX_LINE_BYTES,
        b"0\r\na: " + b"a" * MAX_TRAILER_BYTES + b"\r\n",
        b"0\r\na: " + b"a" * MAX_TRAILER_BYTES,
        b"0\r\n" + b"a: b\r\n" * (MAX_TRAILER_BYTES // 6 + 1),
    ],
)
def test_what_is_no_chunk_is_refused(text):
    with pytest.raises(ChunksInvalid):
        decode(text)
    with pytest.raises(ChunksInvalid):
        decode(*(text[at : at + 1] for at in range(len(text))))


def test_what_one_piece_brings_is_one_piece_of_body():
    part, _ = ChunkDecoder().decode(b"2\r\nab\r\n" * 100_000)
    assert part == b"ab" * 100_000
