"""What one client may take of what is there for all."""

from __future__ import annotations

import resource

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransportWithDisconnection

from holm_registry.http.limits import Limits
from holm_registry.http.site import StreamingSite

from .wire import head, parse


@pytest.mark.parametrize("first", [b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_headers_that_come_a_byte_now_and_then_hold_a_connection_for_a_while_only(memory, first):
    connection = memory.connect()
    connection.send(first)
    for _ in range(29):
        memory.clock.advance(1.0)
        assert connection.transport.connected
        connection.send(b"x")
    memory.clock.advance(1.0)
    assert not connection.transport.connected
    memory.hang_up()
    assert not memory.clock.getDelayedCalls()


def test_slow_headers_behind_a_first_request_are_no_way_around(memory):
    connection = memory.connect()
    ask = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    connection.send(ask + b"\r\n" + ask)
    for _ in range(31):
        connection.send(b"x")
        memory.clock.advance(1.0)
    assert not connection.transport.connected


def test_a_body_and_a_pause_between_requests_may_take_longer_than_headers(memory):
    connection = memory.connect()
    location = memory.start_upload("a")
    connection.send(head("PATCH", location, {}, 100))
    for _ in range(100):
        memory.clock.advance(60.0)
        connection.send(b"x")
    assert connection.answer().status == 202
    memory.clock.advance(50.0)
    connection.send(head("GET", "/v2/", {}, None))
    assert connection.answer().status == 200


def test_more_connections_than_there_may_be_are_told_so(memory):
    limits = Limits(30.0, connections=5, connections_per_address=3)
    site = StreamingSite(memory.site.resource, memory.clock, limits=limits)

    def connect(host):
        protocol = site.buildProtocol(IPv4Address("TCP", host, 1))
        transport = StringTransportWithDisconnection()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    mine = [connect("192.0.2.1") for _ in range(3)]
    answer = parse(connect("192.0.2.1").value())
    assert (answer.status, answer.body) == (503, b"too many connections from this address\n")
    assert answer.header("Retry-After") == "1"
    others = [connect("192.0.2.2") for _ in range(2)]
    assert parse(connect("192.0.2.3").value()).body == b"too many connections\n"
    assert site.connections.refused == 2
    mine[0].loseConnection()
    again = connect("192.0.2.1")
    assert again.value() == b""
    for transport in (*mine[1:], *others, again):
        transport.loseConnection()
    assert site.connections.count == 0
    assert not memory.clock.getDelayedCalls()


def test_limits_fit_the_files_that_the_process_may_have(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    assert Limits.fitting(30.0) == Limits(30.0, 480, 360)
    assert Limits.fitting(30.0, 100) == Limits(30.0, 100, 75)
    assert Limits.fitting(30.0, 10_000, 7) == Limits(30.0, 480, 7)
