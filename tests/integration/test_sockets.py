"""What only a real socket shows: large bodies, slow readers, hang-ups, memory."""

from __future__ import annotations

import hashlib
import os
import random
import re
import socket
import threading
from contextlib import closing

import pytest

from ..waiting import wait_until
from .servers import CONFIG, holm

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with holm(tmp_path_factory.mktemp("sockets") / "root", CONFIG) as process:
        yield process


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def push(registry, content: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    answer = registry.request("POST", f"/v2/a/blobs/uploads/?digest={digest}", content)
    assert answer.status == 201
    return digest


def connect(registry) -> socket.socket:
    host, _, port = registry.address.partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def read_head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        assert more, data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def read_on(client: socket.socket, body: bytes, length: int) -> bytes:
    """Read the rest of a body of some length."""
    while len(body) < length:
        more = client.recv(MIB)
        assert more, f"it ends after {len(body)} of {length} bytes"
        body += more
    return body


def read_to_end(client: socket.socket, body: bytes = b"") -> bytes:
    parts = [body]
    while more := client.recv(1 * MIB):
        parts.append(more)
    return b"".join(parts)


def test_a_large_blob_comes_back_whole_and_in_parts(registry):
    content = noise(40 * MIB + 12345, 1)
    digest = push(registry, content)
    path = f"/v2/a/blobs/{digest}"
    assert registry.request("GET", path).body == content
    part = registry.request("GET", path, Range=f"bytes={5 * MIB + 1}-{30 * MIB}")
    assert (part.status, part.body) == (206, content[5 * MIB + 1 : 30 * MIB + 1])
    tail = registry.request("GET", path, Range="bytes=-1")
    assert tail.body == content[-1:]


def test_parts_of_a_large_blob_come_in_one_answer(registry):
    content = noise(20 * MIB, 11)
    path = f"/v2/a/blobs/{push(registry, content)}"
    spans = [(0, 1), (5, 3 * MIB), (4 * MIB, 17 * MIB)]
    spans += [(18 * MIB + 7 * number, 18 * MIB + 7 * number + 3) for number in range(800)]
    header = "bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in spans)
    answer = registry.request("GET", path, Range=header)
    assert answer.status == 206
    boundary = answer.headers["Content-Type"].partition("boundary=")[2].encode()
    found = [part.partition(b"\r\n\r\n")[2] for part in answer.body.split(b"--" + boundary)[1:-1]]
    assert [part.removesuffix(b"\r\n") for part in found] == [content[a:b] for a, b in spans]


def test_connections_live_on_after_blobs(registry):
    digest = push(registry, noise(3 * MIB, 2))
    request = f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with closing(connect(registry)) as client:
        for _ in range(3):
            client.sendall(request)
            head, body = read_head(client)
            assert b" 200 " in head
            body = read_on(client, body, 3 * MIB)
            assert hashlib.sha256(body).hexdigest() == digest.removeprefix("sha256:")
        client.sendall(request * 2)
        head, body = read_head(client)
        assert b" 200 " in head, "requests may be sent before the last one is answered"


def test_connections_live_on_after_parts_of_blobs(registry):
    digest = push(registry, noise(3 * MIB, 2))
    line = f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n".encode()
    with closing(connect(registry)) as client:
        for _ in range(3):
            client.sendall(line + b"Range: bytes=0-9,2000000-2999999,-1\r\n\r\n")
            head, body = read_head(client)
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])
            body = read_on(client, body, length)
            assert body.endswith(b"--\r\n")
            assert len(body) == length


def test_a_chunked_stream_of_many_mebibytes_is_stored(registry):
    content = noise(20 * MIB, 3)
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    pieces = (content[start : start + 777_777] for start in range(0, len(content), 777_777))
    assert registry.request("PATCH", location, pieces).status == 202
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert registry.request("PUT", f"{location}?digest={digest}").status == 201
    assert registry.request("GET", f"/v2/a/blobs/{digest}").body == content


def test_an_early_refusal_is_read_by_a_client_that_is_still_sending(registry):
    with closing(connect(registry)) as client:
        client.sendall(
            b"PATCH /v2/a/blobs/uploads/unknown HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 20971520\r\n\r\n"
        )
        sender = threading.Thread(target=client.sendall, args=(b"x" * 20 * MIB,))
        sender.start()
        head, _ = read_head(client)
        sender.join()
        assert b" 404 " in head
        assert b"connection: close" in head.lower()
        read_to_end(client)


def test_a_client_that_expects_to_be_told_is_told(registry):
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    for path, said in ((location, b"100 Continue"), ("/v2/a/blobs/uploads/unknown", b"404")):
        with closing(connect(registry)) as client:
            client.sendall(
                f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                "Expect: 100-continue\r\n\r\n".encode()
            )
            head, _ = read_head(client)
            assert said in head


def test_a_client_that_hangs_up_in_the_middle_of_a_push_can_go_on(registry):
    content = noise(9 * MIB, 4)
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    with closing(connect(registry)) as client:
        client.sendall(
            f"PATCH {location} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
        )
        client.sendall(content[: 5 * MIB])
        # Under load its request may begin after the next one.
        wait_until(lambda: registry.request("GET", location).headers["Range"] != "0-0")

    def patched() -> int:
        status = registry.request("PATCH", location, b"", Content_Range="x").status
        return 0 if status == 429 else status

    assert wait_until(patched) in (202, 416)
    held = int(registry.request("GET", location).headers["Range"].split("-")[1]) + 1
    assert 0 < held <= 5 * MIB
    rest = content[held:]
    answer = registry.request("PATCH", location, rest, Content_Range=f"{held}-{len(content) - 1}")
    assert answer.status == 202
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert registry.request("PUT", f"{location}?digest={digest}").status == 201


def test_clients_that_hang_up_in_the_middle_of_a_pull_leave_nothing_open(registry):
    digest = push(registry, noise(30 * MIB, 5))
    descriptors = f"/proc/{registry.pid}/fd"
    before = len(os.listdir(descriptors))
    for _ in range(20):
        with closing(connect(registry)) as client:
            client.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b" 200 " in read_head(client)[0]
    assert registry.request("HEAD", f"/v2/a/blobs/{digest}").status == 200
    for _ in range(1000):
        if len(os.listdir(descriptors)) <= before + 1:
            break
        registry.request("GET", "/v2/")
    else:
        pytest.fail("files or sockets stay open")


def test_a_pull_that_was_broken_off_is_not_logged_as_finished(tmp_path):
    log = tmp_path / "access.log"
    with log.open("wb") as stream, holm(tmp_path / "root", stdout=stream) as registry:
        digest = push(registry, noise(30 * MIB, 9))
        with closing(connect(registry)) as client:
            client.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b" 200 " in read_head(client)[0]
        for _ in range(1000):
            lines = [
                line for line in log.read_text().splitlines() if f"GET /v2/a/blobs/{digest}" in line
            ]
            if lines:
                break
            registry.request("GET", "/v2/")
        assert [line.split('" ')[1].split()[0] for line in lines] == ["499"]


def test_two_clients_pushing_the_same_blob_at_once_both_succeed(registry):
    content = noise(6 * MIB, 6)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    barrier = threading.Barrier(8)
    statuses = []

    def client(number):
        location = registry.request("POST", f"/v2/p{number % 2}/blobs/uploads/").headers["Location"]
        registry.request("PATCH", location, content)
        barrier.wait()
        statuses.append(registry.request("PUT", f"{location}?digest={digest}").status)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8
    for number in range(2):
        assert registry.request("GET", f"/v2/p{number}/blobs/{digest}").body == content


def test_many_pushes_and_slow_readers_fit_a_small_container(tmp_path):
    """64 pushes of 64 MiB and 64 readers that hardly read, within 160 MiB; idle within 64."""
    with holm(tmp_path / "root", f"{CONFIG}log: {{accesslog: {{disabled: true}}}}\n") as registry:
        assert registry.memory_bytes() <= 64 * MIB
        blob = push(registry, noise(64 * MIB, 7))
        readers = []
        for _ in range(64):
            client = connect(registry)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.sendall(f"GET /v2/a/blobs/{blob} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert b" 200 " in read_head(client)[0]
            readers.append(client)
        step = noise(MIB, 8)
        statuses = []

        def sender():
            location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
            body = (step for _ in range(64))
            answer = registry.request("PATCH", location, body, Content_Length=str(64 * MIB))
            statuses.append((answer.status, answer.headers["Range"]))
            registry.request("DELETE", location)

        threads = [threading.Thread(target=sender) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [(202, f"0-{64 * MIB - 1}")] * 64
        peak = registry.memory_bytes("VmHWM")
        for client in readers:
            client.close()
        assert peak <= 160 * MIB, f"{peak / MIB:.0f} MiB"
