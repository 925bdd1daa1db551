"""Parts of blobs: one range, several, none, and on which condition."""

from __future__ import annotations

from email.parser import BytesParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.oci.ranges import MAX_RANGES

from .wire import Server

CONTENT = bytes(range(256)) * 40


def get(server, method="GET", **headers):
    """Ask for the blob."""
    return server.request(method, f"/v2/a/blobs/{server.push_blob('a', CONTENT)}", **headers)


def parts(answer):
    """Take a multipart answer apart, with somebody else's parser: (Content-Range, bytes) each."""
    head = f"Content-Type: {answer.header('Content-Type')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.body)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    found = message.get_payload()
    assert {part["Content-Type"] for part in found} == {"application/octet-stream"}
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in found]


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, 10240),
        ("bytes=-500", 9740, 10240),
        ("bytes=9000-99999", 9000, 10240),
        ("bytes=0-0", 0, 1),
        ("bytes=0-0,99999-", 0, 1),
        ("bytes=99999-, -1", 10239, 10240),
    ],
)
def test_one_range_is_served(server, header, start, stop):
    answer = get(server, Range=header)
    assert (answer.status, answer.body) == (206, CONTENT[start:stop])
    assert answer.header("Content-Range") == f"bytes {start}-{stop - 1}/10240"
    assert answer.header("Content-Length") == str(stop - start)
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("Docker-Content-Digest")


@pytest.mark.parametrize("header", ["bytes=500-0", "bytes=99999-", "bytes=-0", "bytes=99999-,-0"])
def test_a_range_without_a_byte_is_416(server, header):
    answer = get(server, Range=header)
    assert (answer.status, answer.codes) == (416, ["RANGE_INVALID"])
    assert answer.header("Content-Range") == "bytes */10240"


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-1,5-6", [(0, 2), (5, 7)]),
        ("bytes=0-1,2-3", [(0, 2), (2, 4)]),
        ("bytes=9000-, 0-0 ,,5-5", [(9000, 10240), (0, 1), (5, 6)]),
        ("bytes=0-1,99999-,-1", [(0, 2), (10239, 10240)]),
    ],
)
def test_several_ranges_are_served_in_the_order_asked_for(server, header, spans):
    answer = get(server, Range=header)
    assert answer.status == 206
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Content-Range") is None
    assert parts(answer) == [
        (f"bytes {start}-{stop - 1}/10240", CONTENT[start:stop]) for start, stop in spans
    ]
    for name in ("ETag", "Docker-Content-Digest", "Cache-Control", "Accept-Ranges"):
        assert answer.header(name)


@given(st.sets(st.integers(0, 10239), min_size=4, max_size=40), st.randoms())
def test_any_ranges_that_do_not_overlap_are_served(cuts, random):
    server = Server()
    cuts = sorted(cuts)
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    random.shuffle(spans)
    answer = get(server, Range="bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in spans))
    assert answer.header("Content-Length") == str(len(answer.body))
    assert [content for _, content in parts(answer)] == [CONTENT[a:b] for a, b in spans]
    server.hang_up()


@pytest.mark.parametrize(
    "header",
    [
        *("bytes=0-1,1-2", "bytes=0-,5-6", "bytes=0-1,0-1", "bytes=-5,10238-"),
        *("bytes=0-1,x", "bytes=0-1,9-5", "items=0-1,5-6", "bytes=", "bytes=0-1;5-6", ""),
        "bytes=" + ",".join(f"{2 * each}-{2 * each}" for each in range(MAX_RANGES + 1)),
    ],
)
def test_what_overlaps_makes_no_sense_or_is_too_much_is_answered_whole(server, header):
    answer = get(server, Range=header)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.header("Content-Type") == "application/octet-stream"


def test_two_headers_are_no_range(memory):
    assert get(memory, Range=["bytes=0-1", "bytes=5-6"]).status == 200


def test_as_many_as_one_who_pulls_in_parts_asks_for_are_served(memory):
    header = "bytes=" + ",".join(f"{2 * each}-{2 * each}" for each in range(MAX_RANGES))
    assert len(parts(get(memory, Range=header))) == MAX_RANGES


def test_no_two_answers_have_one_boundary(memory):
    first, second = (get(memory, Range="bytes=0-1,5-6") for _ in range(2))
    assert first.header("Content-Type") != second.header("Content-Type")


def test_as_many_ranges_as_are_answered_fit_into_a_request(server):
    """Podman asks for up to 1,024 parts of a layer, here of one of 100 TB, and sends its token."""
    far = 10**14
    spans = ",".join(f"{far + 9 * n}-{far + 9 * n + 5}" for n in range(MAX_RANGES - 1))
    answer = get(server, Range=f"bytes=0-1,{spans}", Authorization="Bearer " + "a" * 7 * 1024)
    assert (answer.status, answer.body) == (206, CONTENT[:2])


@pytest.mark.parametrize("header", ["bytes=0-1", "bytes=0-1,5-6", "bytes=99999-", "bytes=9-5"])
def test_only_get_has_ranges(server, header):
    """RFC 9110, section 14.2."""
    answer = get(server, "HEAD", Range=header)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Length") == "10240"
    assert answer.header("Content-Range") is None


@pytest.mark.parametrize("range_", ["bytes=0-1", "bytes=0-1,5-6", "bytes=99999-"])
@pytest.mark.parametrize(
    "condition",
    ['"other"', "W/{etag}", "Wed, 25 Nov 2026 00:00:00 GMT", "{etag}, {etag}", "*", "", "{bare}"],
)
def test_a_range_of_another_content_is_answered_whole(memory, range_, condition):
    etag = get(memory).header("ETag")
    named = condition.format(etag=etag, bare=etag.strip('"'))
    answer = get(memory, Range=range_, If_Range=named)
    assert (answer.status, answer.body) == (200, CONTENT)


def test_a_range_of_this_content_is_answered_as_one(memory):
    etag = get(memory).header("ETag")
    assert get(memory, Range="bytes=0-1", If_Range=etag).status == 206
    assert len(parts(get(memory, Range="bytes=0-1,5-6", If_Range=etag))) == 2
    assert get(memory, Range="bytes=99999-", If_Range=etag).status == 416


def test_what_the_client_has_comes_before_any_range(memory):
    etag = get(memory).header("ETag")
    for range_ in ("bytes=0-1", "bytes=0-1,5-6", "bytes=99999-"):
        answer = get(memory, Range=range_, If_None_Match=etag)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.header("Content-Range") is None


def test_an_empty_blob_has_no_ranges(memory):
    path = f"/v2/a/blobs/{memory.push_blob('a', b'')}"
    for header in ("bytes=0-", "bytes=-1", "bytes=0-0,1-1"):
        answer = memory.request("GET", path, Range=header)
        assert (answer.status, answer.header("Content-Range")) == (416, "bytes */0")


def test_an_answer_of_many_parts_that_cannot_be_finished_is_cut(memory, monkeypatch):
    digest = memory.push_blob("a", CONTENT)
    reader = type(
        memory.driver.open(f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data")
    )
    read = reader.read
    monkeypatch.setattr(reader, "read", lambda self, at, size: read(self, at, size) if at else b"")
    connection = memory.connect()
    connection.send(
        f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\nRange: bytes=5-6,0-1,9-9\r\n\r\n".encode()
    )
    received = connection.received()
    assert b"bytes 0-1/10240" in received
    assert b"bytes 9-9/10240" not in received
    assert not connection.transport.connected
