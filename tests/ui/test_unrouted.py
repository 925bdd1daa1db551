"""Errors of requests that reach no route look like all others of the UI."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from holm_registry.ui.app import UiResource
from holm_registry.ui.web.security import HEADERS

from .wire import Page

#: What is wrong, the request's first lines, and what is said of it.
REQUESTS = {
    "host": (b"GET / HTTP/1.1\r\nHost: a b\r\n", 400, "Host"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400, "Host"),
    "no host": (b"GET /repo/a HTTP/1.1\r\n", 400, "Host"),
    "method": (b"get / HTTP/1.1\r\nHost: ui.test\r\n", 501, "capitals"),
    "path": (b"GET /image/%ff:v HTTP/1.1\r\nHost: ui.test\r\n", 400, "not UTF-8"),
    "path of an asset": (b"GET /static/%c3 HTTP/1.1\r\nHost: ui.test\r\n", 400, "not UTF-8"),
}


def send(ui, request: bytes, accept: bytes):
    connection = ui.connect()
    connection.send(request + b"Accept: " + accept + b"\r\n\r\n")
    return connection.answer()


@pytest.mark.parametrize("name", REQUESTS)
def test_browsers_get_a_page(ui, name):
    request, status, told = REQUESTS[name]
    found = send(ui, request, b"text/html,*/*;q=0.8")
    assert (found.status, found.header("Content-Type")) == (status, "text/html; charset=utf-8")
    page = Page(found.body.decode())
    assert told in page.text
    assert "/" in page.links
    for header, value in HEADERS.items():
        assert found.header(header) == value


@pytest.mark.parametrize("name", REQUESTS)
def test_programs_get_a_line_or_json(ui, name):
    request, status, told = REQUESTS[name]
    found = send(ui, request, b"*/*")
    assert (found.status, found.header("Content-Type")) == (status, "text/plain; charset=utf-8")
    assert told in found.body.decode()
    assert found.body.count(b"\n") == 1
    found = send(ui, request, b"application/json")
    assert found.status == status
    assert told in found.json["error"]


def test_a_fault_outside_of_every_route_is_a_page(ui, monkeypatch, logged_failures):
    def fail(self, request):
        raise RuntimeError("secret")

    monkeypatch.setattr(UiResource, "render", fail)
    page = ui.page("/", status=500)
    assert "Something went wrong" in page.text
    assert "secret" not in page.source
    assert [failure.value.args for failure in logged_failures] == [("secret",)]
    logged_failures.clear()


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"nonsense\r\n\r\n", 400), (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n", 414)],
)
def test_what_is_no_request_gets_a_line(ui, sent, status):
    connection = ui.connect()
    connection.send(sent)
    found = connection.answer()
    assert (found.status, found.header("Content-Type")) == (status, "text/plain; charset=utf-8")
    assert found.body.startswith(b"This request cannot be understood: ")


class Waiting:
    """Threads that are all busy."""

    def __init__(self):
        self.begun, self.given_up = 0, 0

    def run(self, *_):
        self.begun += 1
        return Deferred(self._give_up)

    def _give_up(self, _):
        self.given_up += 1


def test_a_visitor_may_leave_before_an_error_is_written(ui):
    ui.context.templates._threads = waiting = Waiting()
    connection = ui.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: a b\r\nAccept: text/html\r\n\r\n")
    assert (waiting.begun, waiting.given_up) == (1, 0)
    connection.leave()
    assert waiting.given_up == 1
