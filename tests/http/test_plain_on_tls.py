"""Plain HTTP where TLS is spoken: the client is told so, and TLS goes on as before."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address

from holm_registry.http.tls import Tls, TlsSettings
from holm_registry.http.tls_transport import LINGER_SECONDS, SENTENCE, TlsFactory

from ..integration.certificates import Authority
from .wire import _Transport, parse

CLIENT = IPv4Address("TCP", "192.0.2.1", 1)

#: More than it takes to carry all that a client and the server say to each other.
MOST_TURNS = 1000


class Transport(_Transport):
    """One that may be closed to one side."""

    half_closed = aborted = False

    def setTcpNoDelay(self, _enabled):
        """Do nothing: there is no network."""

    def loseWriteConnection(self):
        self.half_closed = True

    def abortConnection(self):
        self.aborted = True
        self.loseConnection()


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificate, key = Authority(folder).issue("127.0.0.1", "server")
    return Tls(TlsSettings(str(certificate), str(key)), print)


@pytest.fixture
def connect(tls, memory):
    factory = TlsFactory(tls, memory.site, memory.clock)

    def connected():
        protocol, transport = factory.buildProtocol(CLIENT), Transport(peerAddress=CLIENT)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return protocol, transport

    return connected


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PUT /v2/a/blobs/uploads/x HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 10_000,
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get",
    ],
)
def test_a_client_that_speaks_http_is_told_that_tls_is_spoken(connect, memory, sent):
    protocol, transport = connect()
    protocol.dataReceived(sent)
    answer = parse(transport.value())
    assert (answer.status, answer.header("Connection")) == (400, "close")
    assert answer.json["errors"][0]["message"] == SENTENCE
    assert transport.half_closed
    assert transport.connected, "a reset would take the answer away"
    size = len(transport.value())
    for _ in range(3):
        protocol.dataReceived(sent)
    assert len(transport.value()) == size, "it is said once"
    memory.clock.advance(LINGER_SECONDS)
    assert transport.aborted
    assert memory.site.connections.count == 0


def test_one_that_leaves_is_not_waited_for(connect, memory):
    protocol, transport = connect()
    protocol.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
    transport.loseConnection()
    assert memory.site.connections.count == 0
    assert not memory.clock.getDelayedCalls()


@pytest.mark.parametrize("step", [1, 10_000])
def test_tls_is_spoken_as_before_also_a_byte_at_a_time(connect, memory, step):
    protocol, transport = connect()
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()

    def until(act):
        """Carry bytes to and fro until the client is done with something."""
        for _ in range(MOST_TURNS):
            try:
                return act()
            except SSL.WantReadError:
                sent = client.bio_read(100_000)
            for start in range(0, len(sent), step):
                protocol.dataReceived(sent[start : start + step])
            memory.clock.advance(0)
            client.bio_write(transport.value())
            transport.clear()
        raise AssertionError("the client still waits")

    until(client.do_handshake)
    client.send(b"GET /v2/ HTTP/1.0\r\n\r\n")
    assert parse(until(lambda: client.recv(10_000))).status == 200
    protocol.abortConnection()


def test_records_of_a_byte_each_are_handed_on_together(connect, memory):
    protocol, transport = connect()
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    client.set_connect_state()
    for _ in range(MOST_TURNS):
        try:
            client.do_handshake()
            break
        except SSL.WantReadError:
            protocol.dataReceived(client.bio_read(100_000))
            client.bio_write(transport.value())
            transport.clear()
    else:
        raise AssertionError("the handshake has no end")
    channel, pieces = protocol.wrappedProtocol, []
    received = channel.dataReceived
    channel.dataReceived = lambda data: (pieces.append(data), received(data))
    request = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    for byte in request:
        client.send(bytes([byte]))
    protocol.dataReceived(client.bio_read(1_000_000))
    assert pieces == [request]
    protocol.abortConnection()
