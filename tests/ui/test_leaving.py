"""Visitors who leave before they are answered."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from .wire import PAGES, Response, answer


@pytest.mark.parametrize(
    "path",
    [*PAGES, "/search?q=app", "/api/repos", "/api/tags/team/app", "/health?deep=1"],
)
def test_a_visitor_may_leave_at_any_question_to_the_registry(gallery, path):
    """The autouse fixture fails this if anything is logged as a failure."""
    whole = gallery.get(path)
    gallery.start()
    gallery.wire.requests_sent.clear()
    assert gallery.get(path).status == whole.status
    for number in range(min(len(gallery.wire.requests_sent), 12)):
        gallery.start()
        asked, held = [], []

        def hold(method, asked_path, headers, *, number=number, asked=asked, held=held):
            asked.append(asked_path)
            if len(asked) != number + 1:
                return None
            held.append(Deferred())
            return held[-1]

        gallery.wire.intercept = hold
        connection = gallery.connect()
        connection.send(f"GET {path} HTTP/1.1\r\nHost: ui.test\r\n\r\n".encode())
        connection.leave()
        gallery.clock.advance(20)
        gallery.wire.intercept = lambda method, asked_path, headers: None
        assert gallery.get(path).status == whole.status


def test_a_deletion_is_finished_when_its_visitor_leaves(gallery):
    digest = gallery.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    held = []

    def hold_delete(method, path, headers):
        if method == "GET" and "referrers" in path and not held:
            held.append(Deferred())
            return held[0]
        return None

    gallery.wire.intercept = hold_delete
    connection = gallery.connect()
    body = f"repo=busybox&digest={digest}"
    connection.send(
        "POST /delete HTTP/1.1\r\nHost: ui.test\r\nContent-Length: "
        f"{len(body)}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode()
    )
    assert held
    connection.leave()
    assert gallery.has("busybox", digest)
    held[0].callback(Response(answer(404, b"404 page not found")))
    assert not gallery.has("busybox", digest)


def test_a_form_that_breaks_off_deletes_nothing(gallery):
    digest = gallery.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    connection = gallery.connect()
    connection.send(
        b"POST /delete HTTP/1.1\r\nHost: ui.test\r\nContent-Length: 5000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        + f"repo=busybox&digest={digest}".encode()
    )
    connection.leave()
    assert gallery.has("busybox", digest)
