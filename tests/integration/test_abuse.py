"""Who would take everything for themselves, on real sockets, while honest clients work."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from .servers import CONFIG, holm
from .test_sockets import MIB

LIMITS = (
    f"{CONFIG}http: {{limits: {{headers: 2s, body: 3s, connections: 120, "
    "connectionsperaddress: 100, uploadsperaddress: 40}}\n"
)


def connect(server) -> socket.socket:
    host, _, port = server.address.partition(":")
    found = socket.create_connection((host, int(port)))
    found.settimeout(60)
    return found


def rest(connection: socket.socket) -> bytes:
    """Give what still comes, until the other side closes."""
    data = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            data += chunk
    return data


def push_and_pull(server, number: int) -> None:
    """Do as an honest client does."""
    content = os.urandom(MIB) + bytes([number])
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    answer = server.request("POST", f"/v2/honest/blobs/uploads/?digest={digest}", content)
    assert answer.status == 201, answer.body
    assert server.request("GET", f"/v2/honest/blobs/{digest}").body == content


def drip(connection: socket.socket, stop: threading.Event) -> None:
    with suppress(OSError):
        while not stop.wait(0.2):
            connection.sendall(b"x")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with holm(tmp_path_factory.mktemp("abuse") / "root", LIMITS) as found:
        found.begun = []
        yield found
        assert not any("Traceback" in line for line in found.lines)


def slow_start(server, number: int) -> bytes:
    """Begin a request that will not come to its end: in its headers, or in its body."""
    if number % 3:
        return [b"GET", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: "][number % 3 - 1]
    server.begun.append(server.request("POST", "/v2/a/blobs/uploads/").headers["Location"])
    return f"PATCH {server.begun[-1]} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n".encode()


def test_slow_headers_and_bodies_end_and_honest_clients_do_not_notice(server):
    stop = threading.Event()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(60)]
        threads = []
        for number, connection in enumerate(slow):
            connection.sendall(slow_start(server, number))
            threads.append(threading.Thread(target=drip, args=(connection, stop)))
            threads[-1].start()
        for number in range(5):
            push_and_pull(server, number)
        for connection in slow:
            # Each is ended by the server: this returns, or the test does not end.
            rest(connection)
        stop.set()
        for thread in threads:
            thread.join()
    assert server.begun
    for location in server.begun:
        # What had come is kept, and can be carried on.
        assert server.request("GET", location).status == 204


def test_a_flood_of_connections_is_refused_in_words_and_leaves_room(server):
    with ExitStack() as stack:
        flood = [stack.enter_context(connect(server)) for _ in range(130)]
        refused = [connection for connection in flood[100:] if b"503" in connection.recv(4096)]
        assert len(refused) == 30
        # Another address: there is room for it still.
        host, _, port = server.address.partition(":")
        other = stack.enter_context(
            socket.create_connection((host, int(port)), source_address=("127.0.0.2", 0))
        )
        other.settimeout(60)
        other.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert rest(other).startswith(b"HTTP/1.1 200 ")
    push_until_it_works(server)


def push_until_it_works(server) -> None:
    """Push when the server has noticed that the others have gone."""
    for _ in range(1000):
        with suppress(AssertionError, ConnectionError):
            push_and_pull(server, 9)
            return
    push_and_pull(server, 9)


def test_a_reader_that_takes_nothing_is_ended(server):
    content = os.urandom(32 * MIB)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    path = f"/v2/honest/blobs/uploads/?digest={digest}"
    assert server.request("POST", path, content).status == 201
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(20)]
        ask = f"GET /v2/honest/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for connection in idle:
            connection.sendall(ask)
            assert connection.recv(20).startswith(b"HTTP/1.1 200 OK")
        assert _open_files(server, digest) == 20
        deadline = time.monotonic() + 60
        while _open_files(server, digest):
            assert time.monotonic() < deadline, "it holds on to what nobody takes"
            push_and_pull(server, 3)
        for connection in idle:
            assert len(rest(connection)) < len(content)


def _open_files(server, digest: str) -> int:
    """Tell how often the server has a blob open."""
    folder = f"/proc/{server.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        with suppress(OSError):
            count += digest[7:] in os.readlink(f"{folder}/{name}")
    return count


def test_more_uploads_than_one_address_may_send_are_told_to_wait(server):
    with ExitStack() as stack:
        for _ in range(40):
            location = server.request("POST", "/v2/many/blobs/uploads/").headers["Location"]
            connection = stack.enter_context(connect(server))
            connection.sendall(
                f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            assert b"100 Continue" in connection.recv(4096)
        content = b"one more"
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        answer = server.request("POST", f"/v2/many/blobs/uploads/?digest={digest}", content)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert server.request("GET", "/v2/").status == 200
    push_until_it_works(server)


def test_a_cluster_that_rolls_out_an_image_is_no_abuse(tmp_path):
    """13 nodes, each with three connections as containerd has, all from one address."""
    layers = [os.urandom(MIB) for _ in range(5)]
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    with holm(tmp_path / "root") as server:
        for layer, digest in zip(layers, digests, strict=True):
            path = f"/v2/a/blobs/uploads/?digest={digest}"
            assert server.request("POST", path, layer).status == 201
        statuses = []

        def pull(digest):
            answer = server.request("GET", f"/v2/a/blobs/{digest}")
            statuses.append((answer.status, hashlib.sha256(answer.body).hexdigest() in digest))

        threads = [
            threading.Thread(target=pull, args=(digest,)) for digest in digests for _ in range(13)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [(200, True)] * 65


def test_a_log_that_nobody_reads_keeps_no_client_waiting(tmp_path):
    reading, writing = os.pipe()
    config = f"{CONFIG}http: {{debug: {{addr: '127.0.0.1:0', prometheus: {{enabled: true}}}}}}\n"
    with open(reading, "rb") as reader, holm(tmp_path / "root", config, stdout=writing) as server:
        os.close(writing)
        agent = "x" * 8000
        for number in range(200):
            answer = server.request("GET", f"/v2/?{number}", User_Agent=agent)
            assert answer.status == 200
        # What was kept is read to its end, and the log tells of the rest.
        lines = [reader.readline() for _ in range(100)]
        assert [f"/v2/?{number} " in line.decode() for number, line in enumerate(lines)] == [
            True
        ] * 100
        thread = threading.Thread(target=reader.read)
        thread.start()
        deadline = time.monotonic() + 60
        while not any("access log: " in line for line in server.lines):
            assert time.monotonic() < deadline, "nothing tells of what was dropped"
            server.request("GET", "/v2/")
        server.stop()
        thread.join()


def test_a_log_is_written_to_its_end_before_the_process_ends(tmp_path):
    reading, writing = os.pipe()
    with open(reading, "rb") as reader, holm(tmp_path / "root", stdout=writing) as server:
        os.close(writing)
        agent = "x" * 8000
        for number in range(100):
            server.request("GET", f"/v2/?{number}", User_Agent=agent)
        read = []
        thread = threading.Thread(target=lambda: read.extend(reader))
        os.kill(server.pid, signal.SIGTERM)
        thread.start()
        server.stop()
        thread.join()
    assert [f"/v2/?{number} " in line.decode() for number, line in enumerate(read)] == [True] * 100


def test_a_process_with_few_files_answers_all_that_come_at_once(tmp_path):
    """360 pulls at once with 128 files: each gets its blob, or is told that there are too many."""

    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

    with holm(tmp_path / "root", preexec_fn=few_files) as server:
        content = os.urandom(MIB)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        path = f"/v2/a/blobs/uploads/?digest={digest}"
        assert server.request("POST", path, content).status == 201
        barrier, statuses = threading.Barrier(360), []

        def pull():
            barrier.wait()
            try:
                answer = server.request("GET", f"/v2/a/blobs/{digest}")
                statuses.append((answer.status, answer.status == 503 or answer.body == content))
            except OSError as problem:
                statuses.append(problem)

        threads = [threading.Thread(target=pull) for _ in range(360)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {(200, True), (503, True)}
        push_until_it_works(server)
        assert not any("Traceback" in line or "EMFILE" in line for line in server.lines)
