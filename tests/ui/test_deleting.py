"""A deletion that takes long says how far it has come, and goes on without its visitor."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from holm_registry.ui.errors import Conflict
from holm_registry.ui.state.flash_messages import DeletionOutcome
from holm_registry.ui.state.running_deletions import (
    MAX_AT_ONCE,
    MAX_ENDED,
    PATIENCE_SECONDS,
    RunningDeletions,
)

from .deletion import agreed_form
from .wire import Page, Response

TAGS = ("v1", "v2", "v3")


class Held:
    """A registry of three images with a child each; it takes its time for what is held."""

    def __init__(self, ui):
        self.ui = ui
        gallery = ui.gallery
        self.digests = []
        for tag in TAGS:
            child = gallery.image("app", "", [tag.encode()])
            self.digests.append(gallery.index("app", tag, [{"digest": child}]))
        self.paths: set[str] = set()
        self.waiting: list[tuple[Deferred, str]] = []
        ui.wire.intercept = self._hold

    def _hold(self, method, path, _headers):
        if f"{method} {path}" not in self.paths:
            return None
        self.waiting.append((Deferred(), f"{method} {path}"))
        return self.waiting[-1][0]

    def hold(self, *requests: str) -> None:
        self.paths = set(requests)

    def let_go(self) -> None:
        """Answer what waits, as the registry does."""
        self.paths = set()
        waiting, self.waiting = self.waiting, []
        for deferred, request in waiting:
            deferred.callback(Response(self.ui.server.request(*request.split(" ", 1))))

    def post(self, fields, accept="text/html"):
        """Send a form, and have as much time go by as its visitor waits."""
        body = urlencode(fields, doseq=True).encode()
        connection = self.ui.connect()
        connection.send(
            b"POST /delete HTTP/1.1\r\nHost: ui.test\r\nAccept: %s\r\nContent-Length: %d\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n%s"
            % (accept.encode(), len(body), body)
        )
        self.ui.clock.advance(PATIENCE_SECONDS)
        return connection

    def open(self, path):
        """Ask for a page as a browser does."""
        connection = self.ui.connect()
        lines = f"GET {path} HTTP/1.1\r\nHost: ui.test\r\nAccept: text/html\r\n\r\n"
        connection.send(lines.encode())
        return connection

    def look(self, path):
        connection = self.ui.connect()
        connection.send(
            f"GET {path} HTTP/1.1\r\nHost: ui.test\r\nAccept: text/html\r\n\r\n".encode()
        )
        self.ui.clock.advance(PATIENCE_SECONDS)
        return connection.answer()


@pytest.fixture
def held(ui):
    held = Held(ui)
    yield held
    held.let_go()


def everything(held):
    return agreed_form(held.ui.page("/delete?repo=app&all=1"), "image")


def test_a_long_deletion_says_how_far_it_has_come_and_how_it_ended(held):
    form = everything(held)
    held.hold(f"DELETE /v2/app/manifests/{held.digests[1]}")
    sent = held.post(form).answer()
    assert sent.status == 303
    where = sent.header("Location")
    assert where.startswith("/deleting?repo=app&key=")
    found = held.look(where)
    assert (found.status, found.header("Refresh")) == (202, "1")
    assert "2 of 6 items done." in Page(found.body.decode()).text
    assert "The deletion goes on if you close this page." in Page(found.body.decode()).text
    held.let_go()
    ended = held.look(where)
    assert ended.status == 303
    assert "Deleted 6 items." in held.ui.page(ended.header("Location")).text
    assert held.ui.tags("app") == []
    # Coming back with the browser's button tells the same.
    assert held.look(where).status == 303


def test_reading_before_a_deletion_says_how_far_it_has_come(held):
    form = everything(held)
    held.ui.clock.advance(100)
    held.hold("HEAD /v2/app/manifests/v2")
    where = held.post(form).answer().header("Location")
    text = Page(held.look(where).body.decode()).text
    assert "2 of 3 tags read." in text
    assert "Nothing has been deleted yet." in text
    held.let_go()
    assert held.look(where).status == 303


def test_a_question_says_how_much_of_what_belongs_to_images_is_read(held):
    held.hold(f"GET /v2/app/referrers/{held.digests[0]}")
    text = Page(held.look("/delete?repo=app&all=1").body.decode()).text
    assert "All tags read." in text
    assert "5 of 6 manifests done." in text


def test_a_short_deletion_leads_to_its_result_at_once(held):
    sent = held.post(everything(held)).answer()
    assert (sent.status, sent.header("Location").partition("=")[0]) == (303, "/repo/app?result")


def test_a_deletion_that_is_refused_late_says_why(held):
    form = everything(held)
    held.ui.clock.advance(100)
    held.hold("GET /v2/app/tags/list?n=1000")
    where = held.post(form).answer().header("Location")
    payload = held.ui.server.request("GET", "/v2/app/manifests/v1").body
    held.ui.server.push_manifest("app", "new", payload)
    held.let_go()
    for _ in range(2):
        found = held.look(where)
        assert found.status == 409
        assert "has changed since you were asked" in Page(found.body.decode()).text
    assert "new" in held.ui.tags("app")


def test_a_program_waits_for_the_end(held):
    held.hold(f"DELETE /v2/app/manifests/{held.digests[1]}")
    connection = held.post({"repo": "app", "digest": held.digests[1]}, accept="*/*")
    assert connection.received() == b""
    held.let_go()
    assert connection.answer().header("Location").startswith("/repo/app?result=")


@pytest.mark.parametrize("query", ["repo=app&key=nope", "repo=app"])
def test_a_deletion_that_is_not_known(held, query):
    assert "not known any more" in held.ui.page(f"/deleting?{query}", status=404).text


def test_a_deletion_is_told_for_its_repository_only(held):
    form = everything(held)
    held.hold(f"DELETE /v2/app/manifests/{held.digests[1]}")
    where = held.post(form).answer().header("Location")
    held.ui.page(where.replace("repo=app", "repo=other"), status=404)


def test_a_visitor_may_leave_the_page_that_follows_a_deletion(held):
    form = everything(held)
    held.hold(f"DELETE /v2/app/manifests/{held.digests[1]}")
    where = held.post(form).answer().header("Location")
    connection = held.open(where)
    connection.leave()
    held.let_go()
    assert held.ui.tags("app") == []


def test_what_is_kept_of_deletions_is_bounded():
    deletions, works = RunningDeletions(Clock()), [Deferred() for _ in range(MAX_AT_ONCE)]
    begun = [deletions.begin("app", lambda progress, work=work: work) for work in works]
    assert deletions.full
    for work in works:
        work.callback(DeletionOutcome("app", [], images=True))
    assert not deletions.full

    async def fail(progress):
        raise Conflict("no")

    kept = [deletions.begin("app", fail) for _ in range(MAX_ENDED)]
    assert deletions.find(begun[0].key, "app") is None
    assert deletions.find(kept[0].key, "app") is kept[0]
    with pytest.raises(Conflict) as problem:
        kept[0].result()
    assert problem.value is not kept[0].problem
    assert kept[0].problem.__traceback__ is None
