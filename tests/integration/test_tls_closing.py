"""Every TLS connection that is to be closed is closed, whatever its client does or does not do."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from contextlib import ExitStack, suppress

import pytest

from .certificates import Authority
from .servers import CONFIG, holm

CONNECTIONS = 12


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def config(authority):
    certificate, key = authority.issue("127.0.0.1", "server")
    return (
        f"{CONFIG}http:\n  tls: {{certificate: '{certificate}', key: '{key}'}}\n"
        f"  limits: {{headers: 1s, body: 1s, idle: 1s, connections: {CONNECTIONS}, "
        f"connectionsperaddress: {CONNECTIONS}}}\n"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory, config):
    with holm(tmp_path_factory.mktemp("closing") / "root", config) as process:
        yield process
        assert not any("Traceback" in line for line in process.lines)


def connect(server, stack) -> socket.socket:
    host, _, port = server.address.partition(":")
    return stack.enter_context(socket.create_connection((host, int(port)), timeout=60))


def shake_hands(plain, authority, stack) -> ssl.SSLSocket:
    """Do the handshake; leave the plain socket to see what the server does with it."""
    context = ssl.create_default_context(cafile=str(authority.path))
    twin = socket.socket(fileno=os.dup(plain.fileno()))
    twin.settimeout(60)
    return stack.enter_context(context.wrap_socket(twin, server_hostname="127.0.0.1"))


def wait_for_end(plain: socket.socket) -> None:
    """Wait until the server has closed; what it sends is read, and never understood."""
    with suppress(ConnectionResetError):
        while plain.recv(65536):
            pass


def descriptors(server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def test_silent_connections_hold_nothing_also_where_they_are_too_many(server):
    before = descriptors(server)
    with ExitStack() as stack:
        silent = [connect(server, stack) for _ in range(10 * CONNECTIONS)]
        for plain in silent:
            wait_for_end(plain)
        assert descriptors(server) <= before + 1


def test_one_too_many_is_told_so_over_tls(server, authority):
    with ExitStack() as stack:
        within = [connect(server, stack) for _ in range(CONNECTIONS)]
        refused = shake_hands(connect(server, stack), authority, stack)
        assert b" 503 " in refused.recv(65536)
        for plain in within:
            wait_for_end(plain)


#: As long as a whole blob's; one byte of it comes.
BODY = (
    f"POST /v2/a/blobs/uploads/?digest=sha256:{64 * 'a'} HTTP/1.1\r\n"
    "Host: x\r\nContent-Length: 9\r\n\r\n1"
).encode()

STOPS = {
    "in a handshake": None,
    "in a head": b"GET /v2/ HT",
    "in a body": BODY,
    "when idle": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "after nonsense": b"nonsense\r\n\r\n",
    "before asking": b"",
}


@pytest.mark.parametrize("sent", STOPS.values(), ids=STOPS)
def test_a_client_that_stops_is_ended_though_it_answers_no_close(server, authority, sent):
    with ExitStack() as stack:
        plain = connect(server, stack)
        if sent is None:
            plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        else:
            shake_hands(plain, authority, stack).sendall(sent)
        wait_for_end(plain)


def test_a_server_that_stops_does_not_wait_for_silent_clients(tmp_path, config, authority):
    with holm(tmp_path / "root", config.replace("1s", "60s")) as server:
        with ExitStack() as stack:
            for _ in range(2):
                connect(server, stack)
                idle = shake_hands(connect(server, stack), authority, stack)
                idle.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b" 200 " in idle.recv(65536)
            assert server.stop() in (0, -signal.SIGTERM)
        assert not any("still in flight" in line for line in server.lines)
