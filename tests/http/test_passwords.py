"""Passwords: how often they are checked, and who waits for it."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address

from holm_registry.api.password_queue import PLACES, RUNNING
from holm_registry.auth.rules import Rules
from holm_registry.oci.digest import Digest

from .logins import Slow, authorizing, basic, serving
from .wire import Server, head


def test_a_password_is_checked_once_for_many_requests_and_again_when_the_file_changes(
    users, filled, monkeypatch
):
    server = serving(users, driver=filled)
    checked = []
    real = users.check
    monkeypatch.setattr(users, "check", lambda *login: (checked.append(login), real(*login))[1])
    for _ in range(5):
        assert server.request("GET", "/v2/", **basic("reader")).status == 200
    assert len(checked) == 1
    monkeypatch.setattr(users, "current_version", lambda: ("another",))
    server.request("GET", "/v2/", **basic("reader"))
    assert len(checked) == 2
    for _ in range(2):
        server.request("GET", "/v2/", **basic("reader", "wrong"))
    assert len(checked) == 4, "what was wrong is not remembered"
    server.hang_up()


def test_a_password_that_was_right_for_a_file_that_has_changed_meanwhile_is_checked_again(
    users, filled, monkeypatch
):
    server = serving(users, driver=filled)
    checked = []
    real_check = users.check

    def check(*login):
        checked.append(login)
        # Another thread reads a file that was just written, in which the password is another.
        monkeypatch.setattr(users, "current_version", lambda: ("new",))
        monkeypatch.setattr(users, "version", ("new",))
        return real_check(*login) if len(checked) == 1 else ""

    monkeypatch.setattr(users, "reload_if_changed", lambda: None)
    monkeypatch.setattr(users, "check", check)
    assert server.request("GET", "/v2/", **basic("reader")).status == 200
    assert server.request("GET", "/v2/", **basic("reader")).status == 401
    assert len(checked) == 2
    server.hang_up()


def login_from(server, host, name, password=None):
    connection = server.connect(IPv4Address("TCP", host, 1))
    connection.send(head("GET", "/v2/", basic(name, password), None))
    return connection


def statuses(connections):
    received = [connection.received() for connection in connections]
    return [int(data.split()[1]) for data in received if data]


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def flooded(users, slow):
    """A registry to which one address sends 120 wrong passwords at once."""
    server = Server(settings={"authorizer": authorizing(users, Rules(), threads=slow)})
    for number in range(120):
        login_from(server, "192.0.2.1", "reader", str(number))
    yield server
    server.hang_up()


@pytest.fixture
def flood(flooded):
    return list(flooded.connections)


def test_passwords_that_wait_are_bounded(flooded, flood, slow):
    assert len(slow.waiting) == RUNNING
    assert statuses(flood) == [429] * (120 - PLACES - RUNNING)
    more = login_from(flooded, "192.0.2.1", "reader")
    answer = more.answer()
    assert (answer.status, answer.codes) == (429, ["TOOMANYREQUESTS"])
    assert answer.header("Retry-After") == "1"
    flood[RUNNING].leave()
    assert not login_from(flooded, "192.0.2.1", "reader").received(), "a place was given up"
    flood[0].leave()
    assert len(slow.waiting) == RUNNING, "a check that runs is not stopped"
    while slow.waiting:
        slow.end_next()
    assert flood[1].answer().status == 401
    assert set(statuses(flood)) == {401}


def test_many_wrong_passwords_from_one_address_do_not_refuse_another(flooded, flood, slow):
    """A promise of docs/SECURITY.md."""
    statuses(flood)
    other = login_from(flooded, "192.0.2.2", "reader")
    assert statuses(flood) == [429], "it has made room"
    slow.end_next()
    slow.end_next()
    assert not other.received()
    slow.end_next()
    slow.end_next()
    assert other.answer().status == 200, "it was the next but one, and not the last"


def test_addresses_take_turns(flooded, flood, slow):
    others = [f"192.0.2.{n}" for n in range(10, 20)]
    connections = [login_from(flooded, host, "ci") for host in others for _ in range(3)]
    for _ in range(RUNNING + len(others) + 1):
        slow.end_next()
    first = connections[::3]
    assert statuses(first) == [200] * len(first)


def test_an_address_has_no_more_places_for_taking_them_from_several(flooded, flood, slow):
    """Where every address has one place, none has to give it up."""
    hosts = [f"192.0.2.{n}" for n in range(2, 100)]
    connections = [login_from(flooded, host, "ci") for host in hosts]
    assert statuses(connections) == [429] * (len(hosts) - PLACES + 1)
    while slow.waiting:
        slow.end_next()
    assert statuses(connections) == [200] * (PLACES - 1)


def test_a_network_of_ipv6_is_one_address(users, slow):
    server = Server(settings={"authorizer": authorizing(users, Rules(), threads=slow)})
    flood = [login_from(server, f"2001:db8::{n:x}", "reader", "wrong") for n in range(100)]
    statuses(flood)
    other = login_from(server, "2001:db8:1::1", "reader")
    for _ in range(4):
        slow.end_next()
    assert other.answer().status == 200
    server.hang_up()


def test_a_last_chunk_that_came_while_its_login_was_checked_is_not_left_out(users):
    """All of the body is there by then: that is not the same as that there is none."""
    slow = Slow()
    server = Server(settings={"authorizer": authorizing(users, Rules(), threads=slow)})
    upload = server.registry.uploads.start("a")
    content = b"all of it"
    connection = server.connect()
    path = f"/v2/a/blobs/uploads/{upload}?digest={Digest.of(content)}"
    connection.send(head("PUT", path, basic("ci"), len(content)) + content)
    slow.end_next()
    assert connection.answer().status == 201
    server.hang_up()
