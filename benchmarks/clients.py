"""
Clients that cost little: a process of their own, which prints what it measured as JSON.

``python -m benchmarks.clients push|pull|head|mixed|hold HOST:PORT OPTIONS``
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable

#: What the head of an answer may have at the most.
_HEAD_BYTES = 65536

#: How much to take, and throw away, of a body at once.
_GULP_BYTES = 1 << 20


class Connection:
    """A connection that is kept."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        # No time-out: with one a socket does not block, and sendfile wants it to.
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = address
        self._sink = bytearray(_GULP_BYTES)

    def ask(
        self,
        method: str,
        path: str,
        *,
        length: int = 0,
        body: Callable[[socket.socket], object] | None = None,
    ) -> tuple[int, dict[str, str]]:
        """Send a request, throw the answer's body away; give its status and headers."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {length}\r\n"
        self._socket.sendall(f"{head}\r\n".encode())
        if body is not None:
            body(self._socket)
        status, headers, rest = self._head()
        left = 0 if method == "HEAD" else int(headers.get("content-length", 0)) - rest
        while left > 0:
            # The kernel drops it, so that what is measured is the server.
            got = self._socket.recv_into(self._sink, min(left, _GULP_BYTES), socket.MSG_TRUNC)
            if not got:
                raise ConnectionError("the answer was cut short")
            left -= got
        return status, headers

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _head(self) -> tuple[int, dict[str, str], int]:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self._socket.recv(_HEAD_BYTES)
            if not chunk:
                raise ConnectionError("no answer")
            data += chunk
        head, _, rest = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return int(lines[0].split()[1]), headers, len(rest)


class Content:
    """Blobs of one size, each different: a few bytes of its own before what all share."""

    def __init__(self, size_bytes: int) -> None:
        self._size = size_bytes
        # The file lives as long as its descriptor.
        self._file = tempfile.TemporaryFile(dir="/dev/shm")  # noqa: SIM115
        block = os.urandom(1 << 20)
        for start in range(0, size_bytes, len(block)):
            self._file.write(block[: size_bytes - start])
        self._file.flush()
        self._shared = self._file.fileno()

    def blob(self) -> tuple[bytes, str]:
        """Make one: its first bytes, and its digest."""
        first = os.urandom(16)
        found = hashlib.sha256(first)
        for start in range(16, self._size, 1 << 20):
            found.update(os.pread(self._shared, min(1 << 20, self._size - start), start))
        return first, f"sha256:{found.hexdigest()}"

    def send(self, first: bytes, to: socket.socket) -> None:
        """Send one."""
        to.sendall(first)
        offset = len(first)
        while offset < self._size:
            offset += os.sendfile(to.fileno(), self._shared, offset, self._size - offset)


def push(
    connection: Connection, repository: str, content: Content, blob: tuple[bytes, str]
) -> None:
    """Push a blob as docker does: POST, PATCH, PUT."""
    first, digest = blob
    status, headers = connection.ask("POST", f"/v2/{repository}/blobs/uploads/")
    _require(status, 202)
    path = _path(headers["location"])
    status, headers = connection.ask(
        "PATCH",
        path,
        length=content._size,  # noqa: SLF001 - of this file
        body=lambda to: content.send(first, to),
    )
    _require(status, 202)
    path = _path(headers["location"])
    status, _ = connection.ask("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}")
    _require(status, 201)


def _path(location: str) -> str:
    return location if location.startswith("/") else "/" + location.split("/", 3)[3]


def _require(status: int, wanted: int) -> None:
    if status != wanted:
        raise RuntimeError(f"status {status} instead of {wanted}")


def together(count: int, work: Callable[[int], object]) -> float:
    """Do something in so many threads at once; give how long it took, in seconds."""
    problems: list[BaseException] = []
    gate = threading.Barrier(count + 1)

    def run(number: int) -> None:
        gate.wait()
        try:
            work(number)
        except BaseException as problem:  # noqa: BLE001 - told to whoever started it
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return time.perf_counter() - began


def pushing(arguments: argparse.Namespace) -> dict[str, float]:
    """Push many blobs, several at once."""
    content = Content(arguments.size)
    blobs = [content.blob() for _ in range(arguments.count)]
    connections = [Connection(arguments.address) for _ in range(arguments.at_once)]

    def work(number: int) -> None:
        for blob in blobs[number :: arguments.at_once]:
            push(connections[number], f"bench/push{number % 4}", content, blob)

    return {"seconds": together(arguments.at_once, work)}


def pulling(arguments: argparse.Namespace) -> dict[str, float]:
    """Pull paths, each of several clients all of them."""
    connections = [Connection(arguments.address) for _ in range(arguments.at_once)]

    def work(number: int) -> None:
        for _ in range(arguments.count):
            for path in arguments.paths:
                _require(connections[number].ask("GET", path)[0], 200)

    return {"seconds": together(arguments.at_once, work)}


def mixing(arguments: argparse.Namespace) -> dict[str, float]:
    """Push and pull, and tell how long a HEAD takes beside that: its 99th percentile."""
    content = Content(arguments.size)
    blobs = [content.blob() for _ in range(arguments.count)]
    stop = threading.Event()
    took: list[float] = []

    def work(number: int) -> None:
        connection = Connection(arguments.address)
        if number == 0:
            _look(connection, arguments.paths[0], took, stop)
        elif number == 1:
            while not stop.is_set():
                connection.ask("GET", arguments.paths[1])
        else:
            try:
                for blob in blobs:
                    push(connection, "bench/mixed", content, blob)
            finally:
                stop.set()

    together(3, work)
    took.sort()
    return {"p99": took[int(len(took) * 0.99)] * 1000, "count": len(took)}


def _look(connection: Connection, path: str, took: list[float], stop: threading.Event) -> None:
    while not stop.is_set():
        began = time.perf_counter()
        _require(connection.ask("HEAD", path)[0], 200)
        took.append(time.perf_counter() - began)
        # One client that looks now and then, as a cluster does: not a load of its own.
        time.sleep(0.002)


def holding(arguments: argparse.Namespace) -> dict[str, float]:
    """Push many blobs at once, beside readers that take their time."""
    content = Content(arguments.size)
    blobs = [content.blob() for _ in range(4)]
    readers = [Connection(arguments.address) for _ in range(arguments.at_once)]
    for reader in readers:
        # The head alone is read; the rest waits until the end.
        reader._socket.sendall(f"GET {arguments.paths[0]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())  # noqa: SLF001
        reader._socket.recv(1000)  # noqa: SLF001
    writers = [Connection(arguments.address) for _ in range(arguments.at_once)]

    def work(number: int) -> None:
        blob = blobs[number % len(blobs)]
        push(writers[number], f"bench/hold{number}", content, blob)

    seconds = together(arguments.at_once, work)
    for reader in readers:
        reader.close()
    return {"seconds": seconds}


class Asker:
    """Asks for the head of one address again and again, on one connection."""

    def __init__(self, address: str, path: str) -> None:
        self.socket = Connection(address)._socket  # noqa: SLF001 - of this file
        accept = "application/vnd.docker.distribution.manifest.v2+json"
        head = f"HEAD {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n"
        self._head = head.encode()
        self._began = 0.0

    def ask(self) -> None:
        """Ask once more."""
        self._began = time.perf_counter()
        self.socket.sendall(self._head)

    def take(self) -> float:
        """Take the answer, which comes in one piece; give how long it took, in seconds."""
        answer = self.socket.recv(_HEAD_BYTES)
        if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\n"):
            raise RuntimeError(answer)
        return time.perf_counter() - self._began


def heading(arguments: argparse.Namespace) -> dict[str, float]:
    """Ask for the head of an address as often as can be."""
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(arguments.at_once):
            asker = Asker(arguments.address, arguments.paths[0])
            selector.register(asker.socket, selectors.EVENT_READ, asker)
            asker.ask()
        began = time.perf_counter()
        end = began + arguments.seconds
        while time.perf_counter() < end:
            for key, _ in selector.select():
                took.append(key.data.take())
                key.data.ask()
        seconds = time.perf_counter() - began
    took.sort()
    return {"requests/s": len(took) / seconds, "p99 ms": took[int(len(took) * 0.99)] * 1000}


WORKS = {"head": heading, "push": pushing, "pull": pulling, "mixed": mixing, "hold": holding}


def main() -> None:
    """Do one of the works."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("address")
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1)
    arguments = parser.parse_args()
    json.dump(WORKS[arguments.work](arguments), sys.stdout)


if __name__ == "__main__":
    main()
