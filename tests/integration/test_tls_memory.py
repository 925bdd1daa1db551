"""What one process keeps in memory under TLS: as much as without, whatever its clients do."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import threading
from contextlib import ExitStack, closing

import pytest

from .certificates import Authority
from .servers import CONFIG, holm
from .test_sockets import MIB, connect, noise

READERS = 64
PUSHES = 64
IDLE = 250


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def registry(tmp_path, authority):
    certificate, key = authority.issue("127.0.0.1", "server")
    settings = {
        "tls": {"certificate": str(certificate), "key": str(key)},
        # Of a push, the connection before may not have gone yet.
        "limits": {"connectionsperaddress": READERS + 2 * PUSHES + IDLE},
    }
    quiet = "log: {accesslog: {disabled: true}}\n"
    with holm(tmp_path / "root", f"{CONFIG}{quiet}http: {json.dumps(settings)}\n") as process:
        yield process
        assert not any("Traceback" in line for line in process.lines)


class Clients:
    """Any number of clients that speak TLS to a registry."""

    def __init__(self, registry, authority, stack) -> None:
        self._registry, self._stack = registry, stack
        self._context = ssl.create_default_context(cafile=str(authority.path))

    def request(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPSConnection(
            self._registry.address, context=self._context, timeout=60
        )
        with closing(connection):
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            answer.read()
            return answer

    def begin(self, path: str) -> None:
        """Ask for something on a connection that stays open, and read no more than its status."""
        plain = connect(self._registry)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client = self._context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._stack.enter_context(client)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_many_pushes_slow_readers_and_idle_connections_have_their_bound(registry, authority):
    content, step = noise(16 * MIB, 7), noise(MIB, 8)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    statuses = []
    with ExitStack() as stack:
        clients = Clients(registry, authority, stack)
        path = f"/v2/a/blobs/uploads/?digest={digest}"
        assert clients.request("POST", path, content).status == 201
        for _ in range(READERS):
            clients.begin(f"/v2/a/blobs/{digest}")
        for _ in range(IDLE):
            clients.begin("/v2/")

        def push() -> None:
            location = clients.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
            body = (step for _ in range(8))
            length = str(8 * MIB)
            statuses.append(clients.request("PATCH", location, body, Content_Length=length).status)

        threads = [threading.Thread(target=push) for _ in range(PUSHES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [202] * PUSHES
        peak = registry.memory_bytes("VmHWM")
    assert peak <= 160 * MIB, f"{peak / MIB:.0f} MiB"
