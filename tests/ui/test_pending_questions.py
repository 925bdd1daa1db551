"""A question whether to delete that takes long to put says how far it has come."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from holm_registry.ui.state.pending_questions import (
    KEPT_SECONDS,
    MAX_AT_ONCE,
    PATIENCE_SECONDS,
    PendingQuestions,
)

from .wire import Page, Response

ASK = b"GET /delete?repo=app&all=1 HTTP/1.1\r\nHost: ui.test\r\nAccept: text/html\r\n\r\n"


@pytest.fixture
def slow(ui):
    """A registry of three tags, one of which it takes its time for."""
    for tag in ("v1", "v2", "v3"):
        ui.gallery.image("app", tag, [tag.encode()])
    held = []

    def hold(method, path, headers):
        if path == "/v2/app/manifests/v2":
            held.append((Deferred(), path, headers))
            return held[-1][0]
        return None

    ui.wire.intercept = hold
    yield ui, held
    ui.wire.intercept = lambda method, path, headers: None


def test_a_long_question_tells_its_progress_and_is_put_in_the_end(slow):
    ui, held = slow
    connection = ui.connect()
    connection.send(ASK)
    ui.clock.advance(PATIENCE_SECONDS)
    found = connection.answer()
    assert (found.status, found.header("Refresh")) == (202, "1")
    page = Page(found.body.decode())
    assert "2 of 3 tags read" in page.text
    assert "data-again" in page.source
    asked = len(ui.wire.requests_sent)
    again = ui.connect()
    again.send(ASK)
    ui.wire.intercept = lambda method, path, headers: None
    deferred, path, _ = held[0]
    deferred.callback(Response(ui.server.request("GET", path)))
    assert "Delete 3 tags from app?" in Page(again.answer().body.decode()).text
    # The second page waited for the first one's work.
    assert sum(each.endswith("/tags/list?n=1000") for each in ui.wire.requests_sent[asked:]) <= 1


def test_programs_wait_for_the_whole_question(slow):
    ui, held = slow
    connection = ui.connect()
    connection.send(ASK.replace(b"text/html", b"*/*"))
    ui.clock.advance(PATIENCE_SECONDS)
    assert connection.received() == b""
    deferred, path, _ = held[0]
    ui.wire.intercept = lambda method, path, headers: None
    deferred.callback(Response(ui.server.request("GET", path)))
    assert connection.answer().status == 200


def test_what_was_worked_out_is_told_once_and_not_when_it_is_old():
    clock, work = Clock(), Deferred()
    questions, found = PendingQuestions(clock), []
    Deferred.fromCoroutine(questions.answer("a", lambda progress: work)).addCallback(found.append)
    clock.advance(PATIENCE_SECONDS)
    assert found == [None]
    work.callback("told")
    clock.advance(KEPT_SECONDS)
    Deferred.fromCoroutine(questions.answer("a", lambda progress: succeed("new"))).addCallback(
        found.append
    )
    assert found == [None, "new"]


def test_beyond_the_most_at_once_a_request_waits_for_its_own():
    clock, found = Clock(), []
    questions = PendingQuestions(clock)
    works = [Deferred() for _ in range(MAX_AT_ONCE + 1)]
    for number, work in enumerate(works):
        answer = Deferred.fromCoroutine(questions.answer(number, lambda progress, work=work: work))
        answer.addCallback(found.append)
    clock.advance(PATIENCE_SECONDS)
    assert found == [None] * MAX_AT_ONCE
    works[-1].callback("own")
    assert found[-1] == "own"
