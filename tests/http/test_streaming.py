"""Bodies while they arrive: early answers, hang-ups, back-pressure, and two at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from holm_registry.http.connection_limits import ConnectionTimeouts
from holm_registry.http.memory_budget import MAX_SHARE_BYTES
from holm_registry.http.request import LINGER_BYTES, LINGER_SECONDS
from holm_registry.oci.digest import Digest

from .wire import Server, head, parse

BODY_SECONDS = ConnectionTimeouts().body_seconds


def begin(server, method, path, length, **headers):
    connection = server.connect()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.send(head(method, path, named, length))
    return connection


def session_data(location: str) -> str:
    return f"docker/registry/v2/repositories/a/_uploads/{location.rsplit('/', 1)[1]}/data"


def test_bytes_are_stored_as_they_arrive(server):
    location = server.start_upload("a")
    connection = begin(server, "PATCH", location, 10)
    assert connection.received() == b""
    connection.send(b"01234")
    assert server.driver.read(session_data(location)) == b"01234"
    connection.send(b"56789")
    assert connection.answer().status == 202


def test_a_broken_connection_keeps_what_arrived(server):
    location = server.start_upload("a")
    connection = begin(server, "PATCH", location, 1000)
    connection.send(b"0123456789")
    connection.leave()
    status = server.request("GET", location)
    assert (status.status, status.header("Range")) == (204, "0-9")
    server.request("PATCH", location, b"abc", Content_Range="10-12")
    digest = Digest.of(b"0123456789abc")
    assert server.request("PUT", f"{location}?digest={digest}").status == 201


def test_a_put_that_breaks_off_commits_nothing_and_keeps_what_arrived(server):
    location = server.start_upload("a")
    connection = begin(server, "PUT", f"{location}?digest={Digest.of(b'01234')}", 10)
    connection.send(b"01234")
    connection.leave()
    assert server.request("HEAD", f"/v2/a/blobs/{Digest.of(b'01234')}").status == 404
    assert server.request("GET", location).header("Range") == "0-4"


def test_a_post_that_breaks_off_leaves_nothing(server):
    path = f"/v2/a/blobs/uploads/?digest={Digest.of(b'0123456789')}"
    connection = begin(server, "POST", path, 10)
    connection.send(b"01234")
    connection.leave()
    assert not server.driver.folders("docker/registry/v2/repositories/a/_uploads")


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_second_request_on_one_upload_is_told_to_wait(server, method):
    location = server.start_upload("a")
    first = begin(server, "PATCH", location, 10)
    first.send(b"01234")
    second = server.request(method, f"{location}?digest={Digest.of(b'x')}", b"xxxxx")
    assert (second.status, second.codes) == (429, ["TOOMANYREQUESTS"])
    assert second.header("Retry-After") == "1"
    first.send(b"56789")
    assert first.answer().status == 202
    answer = server.request("PUT", f"{location}?digest={Digest.of(b'0123456789')}")
    assert answer.status == 201, "nothing was mixed"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PATCH", "/v2/a/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PUT", "/v2/a/blobs/uploads/unknown", 400, "DIGEST_INVALID"),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:x", 400, "DIGEST_INVALID"),
        ("PUT", "/v2/a/manifests/v1", 413, "SIZE_INVALID"),
        ("PUT", "/v2/A/manifests/v1", 400, "NAME_INVALID"),
        ("POST", "/v2/", 405, "UNSUPPORTED"),
        ("PUT", "/nowhere", 404, "NAME_UNKNOWN"),
    ],
)
def test_a_bad_request_is_refused_before_its_body(server, method, path, status, code):
    connection = begin(server, method, path, 10_000_000_000, Expect="100-continue")
    answer = connection.answer()
    assert (answer.status, answer.codes) == (status, [code])
    assert answer.header("Connection") == "close"
    assert connection.transport.connected, "the client gets to read the answer"


def test_after_an_early_answer_the_rest_is_thrown_away_and_the_connection_closed(memory):
    connection = begin(memory, "PATCH", "/v2/a/blobs/uploads/unknown", 100_000)
    assert connection.answer().status == 404
    connection.send(b"x" * 99_999)
    assert connection.transport.connected
    connection.send(b"x")
    assert not connection.transport.connected
    assert connection.received() == b""
    memory.clock.advance(LINGER_SECONDS + 1)


def test_after_an_early_answer_a_client_that_goes_on_for_ever_is_cut_off(memory):
    connection = begin(memory, "PATCH", "/v2/a/blobs/uploads/unknown", LINGER_BYTES * 2)
    step = b"x" * (1024 * 1024)
    for _ in range(LINGER_BYTES // len(step)):
        connection.send(step)
    assert connection.transport.connected
    connection.send(step)
    assert not connection.transport.connected


def test_after_an_early_answer_a_client_that_stops_is_cut_off_in_time(memory):
    connection = begin(memory, "PATCH", "/v2/a/blobs/uploads/unknown", 100_000)
    memory.clock.advance(LINGER_SECONDS - 1)
    assert connection.transport.connected
    memory.clock.advance(2)
    assert not connection.transport.connected


def test_a_client_that_hangs_up_after_an_early_answer_leaves_no_timer(memory):
    connection = begin(memory, "PATCH", "/v2/a/blobs/uploads/unknown", 100_000)
    connection.leave()
    # What is left ticks for the access log's clock alone.
    assert not [call for call in memory.clock.getDelayedCalls() if "_close" in str(call.func)]


def test_two_requests_on_one_connection_follow_each_other(memory):
    location = memory.start_upload("a")
    connection = memory.connect()
    connection.send(
        head("PATCH", location, {}, 5)
        + b"01234"
        + head("PATCH", location, {}, 5)
        + b"56789"
        + head("PUT", f"{location}?digest={Digest.of(b'0123456789')}", {}, 0)
    )
    statuses = [line for line in connection.received().split(b"\r\n") if line.startswith(b"HTTP")]
    assert [line.split()[1] for line in statuses] == [b"202", b"202", b"201"]


def test_the_client_is_told_to_go_on_when_its_body_is_wanted(memory):
    location = memory.start_upload("a")
    connection = begin(memory, "PATCH", location, 5, Expect="100-continue")
    assert connection.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(b"01234")
    assert connection.answer().status == 202


def test_a_body_in_chunks_that_lies_is_cut_off(memory):
    location = memory.start_upload("a")
    connection = begin(memory, "PATCH", location, None, Transfer_Encoding="chunked")
    connection.send(b"5\r\n01234\r\nnonsense\r\n")
    assert not connection.transport.connected
    assert memory.request("GET", location).header("Range") == "0-4"


def test_a_form_is_a_body_like_any_other(memory):
    location = memory.start_upload("a")
    form = "application/x-www-form-urlencoded"
    assert memory.request("PATCH", location, b"digest=x&a=b", Content_Type=form).status == 202
    digest = Digest.of(b"digest=x&a=b")
    path = f"/v2/a/blobs/uploads/?digest={digest}"
    assert memory.request("POST", path, b"digest=x&a=b", Content_Type=form).status == 201


class _Later:
    """Threads that run nothing until told."""

    def __init__(self) -> None:
        self.waiting = []

    def run(self, function, *args, **kwargs):
        from twisted.internet.defer import Deferred

        result = Deferred()
        self.waiting.append((result, function, args, kwargs))
        return result

    def work(self) -> None:
        """Run what waits, and what comes of it."""
        from twisted.python.failure import Failure

        while self.waiting:
            result, function, args, kwargs = self.waiting.pop(0)
            try:
                value = function(*args, **kwargs)
            except Exception:
                value = Failure()
            if not result.called:
                result.callback(value)


@pytest.fixture
def slow() -> Iterator[tuple[Server, _Later]]:
    """A registry whose threads lag behind."""
    from holm_registry.api.app import ApiResource
    from holm_registry.api.context import ApiContext

    server, threads = Server(), _Later()
    server.site.resource = ApiResource(ApiContext(server.registry, threads), {})
    yield server, threads
    server.hang_up()
    threads.work()


def slow_start(server, threads) -> str:
    connection = server.connect()
    connection.send(head("POST", "/v2/a/blobs/uploads/", {}, None))
    threads.work()
    return connection.answer().header("Location")


def test_the_network_waits_for_the_store(slow):
    server, threads = slow
    location = slow_start(server, threads)
    connection = begin(server, "PATCH", location, 10 * MAX_SHARE_BYTES)
    step = b"x" * (256 * 1024)
    sent = 0
    while connection.transport.producerState != "paused":
        connection.send(step)
        sent += len(step)
        assert sent <= MAX_SHARE_BYTES, "no more than its share is buffered"
    assert sent == MAX_SHARE_BYTES
    threads.work()
    assert connection.transport.producerState == "producing"


def test_many_bodies_share_the_memory(slow):
    server, threads = slow
    connections = [
        begin(server, "PATCH", slow_start(server, threads), 10 * MAX_SHARE_BYTES)
        for _ in range(200)
    ]
    share = server.site.memory.share_bytes()
    assert share < MAX_SHARE_BYTES
    connections[0].send(b"x" * share)
    assert connections[0].transport.producerState == "producing", "that went to a thread"
    connections[0].send(b"x" * share)
    assert connections[0].transport.producerState == "paused"
    for connection in connections[1:]:
        connection.leave()
    assert server.site.memory.bodies == 1
    connections[0].leave()
    threads.work()
    assert server.site.memory.bodies == 0


def test_a_commit_ends_though_the_client_leaves_in_its_middle(slow):
    server, threads = slow
    location = slow_start(server, threads)
    digest = Digest.of(b"01234")
    connection = begin(server, "PUT", f"{location}?digest={digest}", 5)
    connection.send(b"01234")
    connection.leave()
    threads.work()
    blob = server.connect()
    blob.send(head("HEAD", f"/v2/a/blobs/{digest}", {}, None))
    threads.work()
    assert blob.answer().status == 200


def test_a_fault_nobody_is_left_to_hear_of_is_logged(slow, logged_failures, monkeypatch):
    server, threads = slow
    monkeypatch.setattr(server.registry.manifests, "put", lambda *args, **kwargs: 1 / 0)
    connection = begin(server, "PUT", "/v2/a/manifests/v1", 2)
    connection.send(b"{}")
    connection.leave()
    threads.work()
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_a_client_that_leaves_while_it_is_served_leaves_nothing_open(slow):
    server, threads = slow
    server.registry.uploads.start("a")
    digest = Digest.of(b"x")
    session = server.registry.uploads.open("a", server.registry.uploads.start("a"))
    session.append([b"x"])
    session.commit(digest)
    session.close()
    for moment in range(2):
        connection = begin(server, "GET", f"/v2/a/blobs/{digest}", None)
        for _ in range(moment):
            result, function, args, kwargs = threads.waiting.pop(0)
            result.callback(function(*args, **kwargs))
        connection.leave()
        threads.work()


def test_a_full_disk_is_one_clear_error_and_keeps_what_was_acknowledged(
    tmp_path, monkeypatch, logged_failures
):
    from twisted.logger import globalLogPublisher

    from holm_registry.storage import durable
    from holm_registry.storage.filesystem import FilesystemDriver

    server = Server(FilesystemDriver(str(tmp_path)))
    digest = server.push_blob("a", b"kept")
    location = server.start_upload("a")
    server.request("PATCH", location, b"01234")

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    events = []
    globalLogPublisher.addObserver(events.append)
    monkeypatch.setattr(durable.os, "pwritev", full)
    answers = [
        server.request("PATCH", location, b"56789"),
        server.request("PUT", "/v2/a/manifests/v1", b'{"schemaVersion":2,"manifests":[]}'),
        server.request("PATCH", location, b"56789"),
    ]
    globalLogPublisher.removeObserver(events.append)
    for answer in answers:
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
        assert "No space left on device" in answer.json["errors"][0]["message"]
        assert answer.header("Retry-After")
    assert len([event for event in events if event["log_level"].name == "error"]) == 1
    assert server.request("GET", f"/v2/a/blobs/{digest}").body == b"kept"

    monkeypatch.undo()
    assert server.request("GET", location).header("Range") == "0-4"
    assert server.request("PATCH", location, b"56789", Content_Range="5-9").status == 202
    digest = Digest.of(b"0123456789")
    assert server.request("PUT", f"{location}?digest={digest}").status == 201


def test_an_answer_that_cannot_be_finished_is_cut_and_never_mended(memory, monkeypatch):
    """A client must not take half a blob, or a blob with an error behind it, for the whole."""
    digest = memory.push_blob("a", b"x" * 100)
    reader = memory.driver.open(memory.registry.blobs.stat("a", Digest.parse(digest)).path)
    monkeypatch.setattr(type(reader), "read", lambda self, offset, length: b"")
    connection = begin(memory, "GET", f"/v2/a/blobs/{digest}", None)
    assert not connection.transport.connected
    assert parse(connection.received()).body == b""


def test_idle_connections_close_and_busy_ones_end_when_the_site_drains(memory):
    idle, busy = memory.connect(), memory.connect()
    location = memory.start_upload("a")
    busy.send(head("PATCH", location, {}, 5))
    drained = memory.site.drain()
    assert idle.transport.connected
    memory.clock.advance(1.0)
    assert not idle.transport.connected
    assert not drained.called
    busy.send(b"01234")
    assert busy.answer().status == 202
    assert not busy.transport.connected
    assert drained.called


def test_a_request_that_is_on_its_way_when_the_site_drains_is_the_last_of_its_connection(memory):
    """Its client cannot send its body twice."""
    connection = memory.connect()
    location = memory.start_upload("a")
    drained = memory.site.drain()
    connection.send(head("PATCH", location, {}, 5) + b"01234")
    answer = connection.answer()
    assert (answer.status, answer.header("Connection")) == (202, "close")
    assert not connection.transport.connected
    memory.hang_up()
    assert drained.called
    assert not memory.clock.getDelayedCalls()


def test_a_client_that_tries_tls_first_is_told_at_once_that_this_is_http(memory):
    """Or it would wait ten seconds before it falls back."""
    connection = memory.connect()
    connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    answer = connection.answer()
    assert answer.status == 400
    assert answer.header("Content-Length") == str(len(answer.body))
    assert not connection.transport.connected


def test_a_fault_in_the_middle_of_an_answer_cuts_it(memory, monkeypatch, logged_failures):
    """What follows the first byte of a body is the rest of it or nothing, and never an error."""
    from holm_registry.api import blobs

    async def half(request, *args):
        request.write(b"half")
        raise ZeroDivisionError

    monkeypatch.setattr(blobs, "send", half)
    digest = memory.push_blob("a", b"x" * 100)
    connection = begin(memory, "GET", f"/v2/a/blobs/{digest}", None)
    assert not connection.transport.connected
    assert parse(connection.received()).body == b"half"
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v2/" + b"a" * 50_000 + b"/tags/list HTTP/1.1\r\n\r\n", 414),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 50_000 + b"\r\n\r\n", 431),
    ],
)
def test_lines_without_end_are_refused_in_words(memory, request_, status):
    connection = memory.connect()
    connection.send(request_)
    answer = connection.answer()
    assert answer.status == status
    assert answer.header("Content-Length") == str(len(answer.body))
    assert not connection.transport.connected


def test_a_client_that_leaves_before_its_answer_is_in_the_access_log_too(memory):
    location = memory.start_upload("a")
    connection = begin(memory, "PATCH", location, 10)
    connection.send(b"01234")
    connection.leave()
    assert f'"PATCH {location} HTTP/1.1" 499 - ' in memory.access_log[-1]
    idle = memory.connect()
    idle.leave()
    assert len(memory.access_log) == 2


def test_a_client_may_pause_in_a_body_but_not_for_ever(memory):
    location = memory.start_upload("a")
    connection = begin(memory, "PATCH", location, 10)
    connection.send(b"01")
    memory.clock.advance(BODY_SECONDS - 1)
    connection.send(b"23")
    assert connection.transport.connected
    memory.clock.advance(2)
    assert not connection.transport.connected
    assert memory.request("GET", location).header("Range") == "0-3"


def test_a_connection_that_is_idle_after_a_body_is_closed_as_any_other(memory):
    location = memory.start_upload("a")
    connection = begin(memory, "PATCH", location, 2)
    connection.send(b"01")
    assert connection.answer().status == 202
    memory.clock.advance(ConnectionTimeouts().idle_seconds - 1)
    assert connection.transport.connected
    memory.clock.advance(2)
    assert not connection.transport.connected


def test_a_client_that_was_not_asked_for_its_body_is_not_slow(slow):
    server, threads = slow
    location = slow_start(server, threads)
    connection = begin(server, "PATCH", location, 10, Expect="100-continue")
    server.clock.advance(BODY_SECONDS)
    server.clock.advance(BODY_SECONDS)
    assert connection.transport.connected
    threads.work()
    assert connection.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.send(b"0123456789")
    threads.work()
    assert connection.answer().status == 202


def test_a_client_that_the_store_keeps_waiting_is_not_idle(slow):
    server, threads = slow
    location = slow_start(server, threads)
    connection = begin(server, "PATCH", location, 2 * MAX_SHARE_BYTES)
    for _ in range(8):
        connection.send(b"x" * (256 * 1024))
    assert connection.transport.producerState == "paused"
    server.clock.advance(BODY_SECONDS * 2)
    assert connection.transport.connected
    threads.work()
    connection.send(b"x" * MAX_SHARE_BYTES)
    threads.work()
    assert connection.answer().status == 202
    server.clock.advance(ConnectionTimeouts().idle_seconds + 1)
    assert not connection.transport.connected
