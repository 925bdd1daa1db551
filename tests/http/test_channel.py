"""Where requests begin and end on a connection, and what is said of what is none."""

from __future__ import annotations

import pytest

from holm_registry.http.channel import AHEAD_BYTES, AHEAD_REQUESTS
from holm_registry.http.memory_budget import TOTAL_BYTES

from .wire import head, parse

GET = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"

#: More headers than a request may have.
MANY = b"A: b\r\n" * 600


def started(server) -> str:
    return server.start_upload("a")


def framed(location: str, *lines: str) -> bytes:
    return "\r\n".join([f"PATCH {location} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: " + "9" * 5000], 400),
        (["Content-Length: " + "0" * 5000 + "1"], 400),
        (["Content-Length: \xb2"], 400),
        (["Content-Length: -1"], 400),
        (["Content-Length: 5", "Content-Length: 5"], 400),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
        (["Transfer-Encoding: identity"], 501),
        (["Transfer-Encoding: identity", "Content-Length: 5"], 501),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
        (["no header"], 400),
        (["X: a", " b"], 400),
        (["Host: a", " b"], 400),
        (["Content-Length:", "\t5"], 400),
        (["Content-Length: 5", " 5"], 400),
        (["a b: c", "Content-Length: x"], 400),
        ([f"X-{number}: a" for number in range(600)], 431),
    ],
)
def test_a_request_that_cannot_be_read_in_one_way_gets_one_clear_answer(memory, lines, status):
    location = started(memory)
    connection = memory.connect()
    connection.send(framed(location, *lines) + b"01234" + GET)
    connection.send(GET)
    data = connection.received()
    answer = parse(data)
    assert (answer.status, data.count(b"HTTP/1.1 ")) == (status, 1)
    assert answer.json["errors"][0]["message"]
    assert (answer.header("Connection"), answer.header("Content-Length")) == (
        "close",
        str(len(answer.body)),
    )
    assert not connection.transport.connected
    assert memory.request("GET", location).header("Range") == "0-0"
    memory.hang_up()
    assert not memory.clock.getDelayedCalls()


@pytest.mark.parametrize(
    "end",
    [b"0\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"0\r\nno field\r\n\r\n", b"zz\r\n"],
    ids=["trailer", "field", "size"],
)
def test_a_body_that_breaks_the_grammar_has_one_answer(memory, end):
    connection = memory.connect()
    connection.send(head("PATCH", started(memory), {"Transfer-Encoding": "chunked"}, None))
    connection.send(b"5\r\n01234\r\n" + end + GET)
    data = connection.received()
    assert (parse(data).status, data.count(b"HTTP/1.1 ")) == (400, 1)
    assert not connection.transport.connected
    assert '" 400 ' in memory.access_log[-1]
    memory.hang_up()
    assert not memory.clock.getDelayedCalls()


def test_a_body_that_breaks_the_grammar_behind_its_answer_has_no_other(memory):
    connection = memory.connect()
    path = "/v2/a/blobs/uploads/unknown"
    connection.send(head("PATCH", path, {"Transfer-Encoding": "chunked"}, None))
    assert connection.answer().status == 404
    connection.send(b"0\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")
    assert connection.received() == b""
    assert not connection.transport.connected
    assert not memory.clock.getDelayedCalls()


def test_requests_may_be_sent_ahead_and_others_have_their_turn(memory):
    connection = memory.connect()
    connection.send(GET * (2 * AHEAD_REQUESTS + 1))
    assert connection.received().count(b"HTTP/1.1 200 OK") == AHEAD_REQUESTS
    memory.clock.advance(0)
    assert connection.received().count(b"HTTP/1.1 200 OK") == AHEAD_REQUESTS + 1
    connection.send(GET)
    assert connection.answer().status == 200


def test_requests_wait_for_a_client_that_reads_no_answers(memory):
    connection = memory.connect()
    connection.protocol.pauseProducing()
    connection.send(GET * 3)
    assert connection.received() == b""
    connection.protocol.resumeProducing()
    assert connection.received().count(b"HTTP/1.1 200 OK") == 3


def test_what_is_sent_ahead_of_an_answer_is_bounded(memory):
    location = started(memory)
    first = memory.connect()
    first.send(head("PATCH", location, {}, 5))
    # Its answer waits for the rest of the body; behind the body, requests come.
    first.send(b"01234" + GET)
    assert first.received().count(b"HTTP/1.1 ") == 2
    busy = memory.connect()
    busy.protocol._handlingRequest = True
    busy.send(b"x" * (AHEAD_BYTES + 1))
    assert busy.transport.producerState == "paused"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_heads_and_bodies_may_arrive_in_any_pieces(memory, size):
    location = started(memory)
    text = head("PATCH", location, {"Transfer-Encoding": "chunked"}, None)
    text += b"2\r\nab\r\n" * 300 + b"0\r\n\r\n\r\n" + GET
    connection = memory.connect()
    for start in range(0, len(text), size):
        connection.send(text[start : start + size])
    assert connection.received().count(b"HTTP/1.1 20") == 2
    assert memory.request("GET", location).header("Range") == "0-599"


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("HTTP/1.0", 200),
        ("HTTP/1.1", 200),
        ("HTTP/1.2", 200),
        ("HTTP/1.9", 200),
        ("HTTP/2.0", 505),
        ("HTTP/3.0", 505),
        ("HTTP/0.9", 400),
        ("HTTP/1.10", 400),
        ("HTTP/2", 400),
        ("http/1.1", 400),
    ],
)
def test_a_version_is_spoken_or_the_answer_says_that_it_is_not(memory, version, status):
    connection = memory.connect()
    connection.send(f"GET /v2/ {version}\r\nHost: x\r\n\r\n".encode())
    answer = connection.answer()
    assert (answer.status, answer.body != b"") == (status, True)
    # HTTP/1.2 has what HTTP/1.1 has.
    assert connection.transport.connected == (version in ("HTTP/1.1", "HTTP/1.2", "HTTP/1.9"))


@pytest.mark.parametrize(
    ("sent", "logged"),
    [
        (b"GET  /other?n=1 HTTP/1.1\r\n\r\n", '"GET  /other?n=1 HTTP/1.1" 400 '),
        (b"GET /other HTTP/2.0\r\n\r\n", '"GET /other HTTP/2.0" 505 '),
        (b"PUT /other HTTP/1.1\r\nno header\r\n\r\n", '"PUT /other HTTP/1.1" 400 '),
        (b"PUT /other HTTP/1.1\r\n" + MANY + b"\r\n" + GET, '"PUT /other HTTP/1.1" 431 '),
        (b"PUT /other HTTP/1.1\r\nA: " + b"b" * 50_000, '"PUT /other HTTP/1.1" 431 '),
        (b"PUT /other" + b"b" * 50_000, '"PUT /other' + "b" * 490 + '" 414 '),
        (b"name=a&password=secret\r\n\r\n", '"-" 400 '),
    ],
)
@pytest.mark.parametrize("before", [b"", GET])
def test_what_cannot_be_read_is_logged_as_its_own(memory, before, sent, logged):
    connection = memory.connect()
    connection.send(before + sent)
    (line,) = memory.access_log[1:] if before else memory.access_log
    assert logged in line
    assert line.startswith("192.168.1.1 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v2/ HTTP/1.1\nHost: x\n\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\nX: y\r\n",
        b"\n",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_lines_that_end_otherwise_are_refused_at_once(memory, sent, size):
    connection = memory.connect()
    for start in range(0, len(sent), size):
        connection.send(sent[start : start + size])
    data = connection.received()
    assert (parse(data).status, data.count(b"HTTP/1.1 ")) == (400, 1)
    assert not connection.transport.connected
    assert not memory.clock.getDelayedCalls()


@pytest.mark.parametrize("ahead", [False, True])
def test_what_waits_to_be_taken_for_requests_has_a_bound(memory, ahead):
    kept, size = memory.site.memory, 16_000
    connections = [memory.connect() for _ in range(1000)]
    for connection in connections:
        connection.protocol._handlingRequest = ahead
        connection.send(b"GET /v2/ HTTP/1.1\r\nX: " + b"x" * (size - 22))
    assert kept.used_bytes <= TOTAL_BYTES / 6
    refused = connections[-1].answer()
    assert (refused.status, refused.header("Retry-After")) == (503, "1")
    assert memory.request("GET", "/v2/").status == 200, "what is short is served all the same"
    memory.hang_up()
    assert kept.used_bytes == 0
