"""What one client may take of what is there for all."""

from __future__ import annotations

import resource

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransportWithDisconnection

from holm_registry.http.client_network import client_of
from holm_registry.http.connection_limits import (
    MOST_CONNECTIONS,
    MOST_TLS_CONNECTIONS,
    ConnectionTimeouts,
)
from holm_registry.http.rate_limiter import TokenBucket
from holm_registry.http.site import StreamingSite
from holm_registry.http.stall_timer import MIN_BYTES
from holm_registry.oci.digest import Digest

from .wire import Connection, head, parse


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
    memory.clock.advance(60.0)
    connection.send(b"x" * 50)
    memory.clock.advance(60.0)
    connection.send(b"x" * 50)
    assert connection.answer().status == 202
    memory.clock.advance(50.0)
    connection.send(head("GET", "/v2/", {}, None))
    assert connection.answer().status == 200


def test_more_connections_than_there_may_be_are_told_so(memory):
    limits = ConnectionTimeouts(connections=5, connections_per_address=3)
    site = StreamingSite(memory.site.resource, memory.clock, limits=limits)

    def connect(host):
        protocol = site.buildProtocol(IPv4Address("TCP", host, 1))
        transport = StringTransportWithDisconnection()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    mine = [connect("192.0.2.1") for _ in range(3)]
    answer = parse(connect("192.0.2.1").value())
    assert answer.status == 503
    assert b"too many connections from this address" in answer.body
    assert answer.header("Retry-After") == "1"
    others = [connect("192.0.2.2") for _ in range(2)]
    assert b'"too many connections"' in parse(connect("192.0.2.3").value()).body
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
    assert fitted(0, 0) == (472, 354)
    assert fitted(100, 0) == (100, 75)
    assert fitted(10_000, 7) == (472, 7)


@pytest.mark.parametrize("files", [1 << 20, 1 << 30, resource.RLIM_INFINITY])
def test_limits_have_a_bound_where_there_is_none_for_files(monkeypatch, files):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert fitted(0, 0) == (MOST_CONNECTIONS, MOST_CONNECTIONS * 3 // 4)
    assert fitted(20_000, 0) == (20_000, 15_000)
    assert ConnectionTimeouts(connections=0).fitted(tls=True).connections == MOST_TLS_CONNECTIONS


def fitted(connections, from_one):
    found = ConnectionTimeouts(connections=connections, connections_per_address=from_one).fitted()
    return found.connections, found.connections_per_address


PERIOD = ConnectionTimeouts().body_seconds


def test_a_body_that_drips_is_cut_and_what_came_is_kept(memory):
    location = memory.start_upload("a")
    connection = memory.connect()
    connection.send(head("PATCH", location, {}, 10_000_000))
    connection.send(b"x" * MIN_BYTES)
    memory.clock.advance(PERIOD)
    for _ in range(int(PERIOD) - 1):
        connection.send(b"x")
        memory.clock.advance(1.0)
    assert connection.transport.connected
    memory.clock.advance(1.0)
    assert not connection.transport.connected
    kept = MIN_BYTES + int(PERIOD) - 2
    assert memory.request("GET", location).header("Range") == f"0-{kept}"
    memory.hang_up()
    assert not memory.clock.getDelayedCalls()


def test_a_push_over_a_slow_link_takes_hours_and_comes_to_its_end(memory):
    location = memory.start_upload("a")
    connection = memory.connect()
    length = 200 * 100 * 60
    connection.send(head("PATCH", location, {}, length))
    for _ in range(200):
        connection.send(b"x" * 6000)
        memory.clock.advance(60.0)
    assert connection.answer().status == 202
    memory.clock.advance(3600.0)
    digest = Digest.of(b"x" * length)
    # An hour later, on another connection.
    assert memory.request("PUT", f"{location}?digest={digest}", b"").status == 201


@pytest.mark.parametrize("pauses", [False, True], ids=["never reads", "reads"])
def test_a_reader_that_takes_nothing_is_cut(memory, pauses):
    digest = memory.push_blob("a", b"x" * 10_000_000)
    connection = memory.connect()
    channel = connection.protocol
    write = connection.transport.write
    # A transport that is full at once.
    connection.transport.write = lambda data: (write(data), channel.pauseProducing())
    connection.send(head("GET", f"/v2/a/blobs/{digest}", {}, None))
    for _ in range(3):
        memory.clock.advance(PERIOD - 1)
        if pauses:
            channel.resumeProducing()
        memory.clock.advance(1)
    assert connection.transport.connected is pauses
    memory.hang_up()
    assert not memory.clock.getDelayedCalls()


def throttled(server, **limits):
    resource = server.site.resource
    server.site = StreamingSite(resource, server.clock, limits=ConnectionTimeouts(**limits))
    return server


def test_a_client_may_ask_so_often_and_is_told_when_to_come_back(memory):
    server = throttled(memory, requests_per_second=2.0)
    statuses = [server.request("GET", "/v2/").status for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    refused = server.request("GET", "/v2/")
    assert (refused.codes, refused.header("Retry-After")) == (["TOOMANYREQUESTS"], "1")
    assert server.request("OPTIONS", "/v2/").status == 429
    server.clock.advance(1.0)
    statuses = [server.request("GET", "/v2/").status for _ in range(3)]
    assert statuses == [200, 200, 429]
    server.clock.advance(1000.0)
    statuses = [server.request("GET", "/v2/").status for _ in range(21)]
    assert statuses == [200] * 20 + [429]


def test_a_client_may_send_so_many_bodies_at_once(memory):
    server = throttled(memory, uploads_per_address=2)
    begun = [server.connect() for _ in range(2)]
    for connection in begun:
        connection.send(head("PATCH", server.start_upload("a"), {}, 2))
    refused = server.connect()
    refused.send(head("PATCH", server.start_upload("a"), {}, 2))
    answer = refused.answer()
    assert (answer.status, answer.header("Retry-After")) == (429, "1")
    assert server.request("GET", "/v2/").status == 200, "what brings no body is none of them"
    begun[0].leave()
    begun[1].send(b"01")
    assert begun[1].answer().status == 202
    location = server.start_upload("a")
    assert server.request("PATCH", location, b"01").status == 202
    server.hang_up()
    assert not server.site.rate_limiter._uploads


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "", True),
        ("no address", "192.0.2.1", False),
    ],
)
def test_who_counts_as_one_client(one, other, same):
    first, second = (client_of(IPv4Address("TCP", each, 1)) for each in (one, other))
    assert (first == second) is same


def test_a_rate_remembers_so_many_clients_only():
    now = [0.0]
    rate = TokenBucket(1.0, 1.0, lambda: now[0])
    assert rate.acquire("first") == 0.0
    assert rate.acquire("first") == 1.0
    for number in range(5000):
        rate.acquire(str(number))
    assert rate.acquire("4999") == 1.0
    assert rate.acquire("first") == 0.0


@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog"])
def test_an_idle_connection_is_kept_longer_than_proxies_keep_theirs(memory, path):
    connection = memory.connect()
    for _ in range(3):
        connection.send(head("GET", path, {}, None))
        assert connection.answer().status == 200
        memory.clock.advance(149.0)
        assert connection.transport.connected
    memory.clock.advance(2.0)
    assert not connection.transport.connected


def test_how_long_it_is_kept_can_be_set(memory):
    site = StreamingSite(
        memory.site.resource, memory.clock, limits=ConnectionTimeouts(idle_seconds=5.0)
    )
    connection = Connection(site)
    connection.send(head("PATCH", memory.start_upload("a"), {}, 1) + b"x")
    assert connection.answer().status == 202
    memory.clock.advance(4.0)
    assert connection.transport.connected
    memory.clock.advance(2.0)
    assert not connection.transport.connected
