"""A registry that is slow, without end, or asked for much."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred

from .down import down
from .wire import Page, Response, Ui, answer


def test_a_registry_that_does_not_answer_is_given_up(ui):
    asked = []
    ui.wire.intercept = lambda method, path, headers: Deferred(asked.append)
    connection = ui.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    assert connection.received() == b""
    ui.clock.advance(15)
    found = connection.answer()
    assert found.status == 504
    assert b"no answer within 15 seconds" in found.body
    assert asked, "the request is still in flight"


def test_nobody_waits_for_news_when_there_is_something_to_show(ui):
    ui.gallery.image("app", "v1", [b"x"])
    ui.page("/")
    ui.clock.advance(60)
    ui.wire.intercept = lambda method, path, headers: Deferred()
    connection = ui.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    ui.clock.advance(0.8)
    found = connection.answer()
    assert found.status == 200
    assert b"The registry is slow" in found.body
    ui.clock.advance(60)


def test_an_answer_without_end_is_not_read(ui):
    down(ui, answer(200, b'{"repositories":["' + b"a" * 9_000_000 + b'"]}'))
    assert ui.get("/api/repos").status == 502
    assert "larger than" in ui.get("/api/repos").json["error"]


def test_a_page_does_not_wait_for_what_cannot_be_read(gallery):
    gallery.wire.intercept = lambda method, path, headers: (
        answer(500) if path == "/v2/team/app/manifests/v1.9.0" else None
    )
    assert "data-poll" not in gallery.page("/repo/team/app").source
    home = gallery.page("/")
    assert "data-poll" not in home.source
    assert "Could not be read completely: team/app." in home.text


def test_a_page_asks_again_for_what_is_still_being_read(ui):
    ui.gallery.image("app", "v1", [b"x"])
    ui.wire.intercept = lambda method, path, headers: Deferred() if "/manifests/" in path else None
    connection = ui.connect()
    connection.send(b"GET /repo/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    ui.clock.advance(0.8)
    assert b"data-poll" in connection.answer().body
    ui.clock.advance(60)


def test_no_more_than_sixteen_requests_are_in_flight(ui):
    tags = [f"v{number}" for number in range(300)]
    body = json.dumps({"name": "app", "tags": tags}).encode()
    flying = []

    def hold(method, path, headers):
        if "tags/list" in path:
            return answer(200, body)
        flying.append(path)
        return Deferred()

    ui.wire.intercept = hold
    for _ in range(5):
        ui.connect().send(b"GET /repo/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    assert len(flying) == 16
    let_go(ui)


def test_ten_thousand_tags_are_shown_before_they_are_known(ui):
    tags = [f"1.{number}.0" for number in range(10_000)]
    body = json.dumps({"name": "app", "tags": tags}).encode()
    ui.wire.intercept = lambda method, path, headers: (
        answer(200, body) if "tags/list" in path else Deferred()
    )
    connection = ui.connect()
    connection.send(b"GET /repo/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    ui.clock.advance(0.8)
    page = Page(connection.answer().body.decode())
    assert page.rows()[0] == "/image/app:1.9999.0"
    assert len(page.rows()) == 100
    assert "10,000 tags" in page.text
    assert "10,000 tags are still being read" in page.text
    let_go(ui)


def let_go(ui: Ui) -> None:
    """End what hangs: what is in flight by its time-out, and what comes after at once."""
    down(ui)
    ui.clock.advance(15)
    ui.clock.advance(15)


class Dripping(Response):
    """An answer that begins and never ends; tells whether it was hung up on."""

    hung_up = False

    def deliverBody(self, protocol):
        protocol.makeConnection(self)
        protocol.dataReceived(b'{"repositories":[')

    def loseConnection(self):
        self.hung_up = True


def test_an_answer_that_drips_is_hung_up_on(ui):
    dripping = Dripping(answer(200))
    done: Deferred[Dripping] = Deferred()
    ui.wire.intercept = lambda method, path, headers: done
    connection = ui.connect()
    connection.send(b"GET /api/repos HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    done.callback(dripping)
    assert not dripping.hung_up
    ui.clock.advance(15)
    assert connection.answer().status == 504
    assert dripping.hung_up


def test_an_answer_without_end_is_hung_up_on(ui):
    class Flood(Dripping):
        def deliverBody(self, protocol):
            protocol.makeConnection(self)
            for _ in range(20):
                protocol.dataReceived(b"a" * 1_000_000)

    flood, done = Flood(answer(200)), Deferred()
    ui.wire.intercept = lambda method, path, headers: done
    connection = ui.connect()
    connection.send(b"GET /api/repos HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    done.callback(flood)
    assert connection.answer().status == 502
    assert flood.hung_up
