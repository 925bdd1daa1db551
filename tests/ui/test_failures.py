"""A registry that is down, slow, odd, or asks who is there."""

from __future__ import annotations

import base64
import gc
import json
from types import FunctionType, ModuleType

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from holm_registry.ui.settings import Settings

from .wire import REGISTRY_URL, SETTINGS, Page, Response, Ui, answer

REFUSED = Refused("nobody is there")


def down(ui: Ui, problem: object = REFUSED) -> None:
    ui.wire.intercept = lambda method, path, headers: problem


@pytest.mark.parametrize(
    "problem",
    [REFUSED, DNSLookupError("no such host"), ResponseNeverReceived([Failure(REFUSED)])],
)
def test_a_registry_that_is_down_is_a_page_that_says_so(ui, problem):
    down(ui, problem)
    for path in ("/", "/repo/app", "/image/app:v1", "/search?q=a", "/delete?repo=app&tag=v1"):
        page = ui.page(path, status=502)
        assert "The registry cannot be reached" in page.text
        assert path in page.links, path
    assert ui.get("/api/repos").status == 502


PAGES = ["/", "/repo/app", "/image/app:v1", "/raw/app:v1", "/compare?a=app:v1&b=app:v1",
         "/search?q=a", "/delete?repo=app&tag=v1", "/api/repos", "/api/tags/app",
         "/health?deep=1", "/login"]  # fmt: skip


@pytest.mark.parametrize("accept", ["text/html", "*/*", "application/json"])
def test_where_the_registry_is_reached_is_told_no_visitor(ui, accept):
    ui.gallery.image("app", "v1", [b"x"])
    for problem in (
        None,
        REFUSED,
        DNSLookupError("no results for hostname lookup: registry.test"),
        ResponseNeverReceived([Failure(REFUSED)]),
        answer(500),
        answer(401, WWW_Authenticate="Basic realm=x"),
        answer(403),
        answer(404, b"{}"),
        answer(200, b"odd"),
        answer(302, Location="http://evil.test/"),
    ):
        down(ui, problem)
        ui.clock.advance(120)
        for path in PAGES:
            found = ui.get(path, Accept=accept)
            assert b"registry.test" not in found.body, (path, problem)


def test_who_looks_for_a_fault_is_told_where_the_registry_is_reached():
    ui = Ui(settings=evolve(SETTINGS, show_urls=True))
    down(ui)
    assert f"{REGISTRY_URL}/v2/" in ui.page("/", status=502).text
    assert ui.get("/api/repos").json["url"] == f"{REGISTRY_URL}/v2/_catalog?n=1000"
    ui.hang_up()


def test_a_wrong_password_is_said_to_be_wrong(ui):
    locked(ui)
    wrong = "Basic " + base64.b64encode(b"admin:guess").decode()
    for path in ("/", "/repo/app", "/login"):
        page = ui.page(path, status=401, Authorization=wrong)
        assert "Wrong name or password" in page.text
        assert "does not take the login of admin" in page.text
        assert "Log out" not in page.text
    assert "Log out ada" in ui.page("/", Authorization=LOGIN).text
    assert "Wrong name" not in ui.page("/", status=401).text


def test_what_was_last_known_is_shown_with_its_age(ui):
    ui.gallery.image("app", "v1", [b"x"])
    ui.page("/")
    ui.page("/repo/app")
    down(ui)
    ui.clock.advance(125)
    page = ui.page("/")
    assert "This page shows what was known 2 minutes ago." in page.text
    assert "it refused the connection" in page.text
    assert page.rows() == ["/repo/app"]
    page = ui.page("/repo/app")
    assert "2 minutes ago" in page.text
    assert page.rows() == ["/image/app:v1"]
    ui.wire.intercept = lambda method, path, headers: None
    assert "what was known" not in ui.page("/").text


def test_programs_are_never_told_what_is_old(ui):
    ui.gallery.image("app", "v1", [b"x"])
    ui.page("/")
    down(ui)
    assert ui.get("/api/repos").status == 502
    assert ui.get("/api/tags/app").status == 502


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


def test_the_registrys_own_words_reach_the_visitor(ui):
    body = b'{"errors":[{"code":"UNAVAILABLE","message":"no space left on device"}]}'
    down(ui, answer(503, body))
    page = ui.page("/", status=502)
    assert "UNAVAILABLE: no space left on device" in page.text
    assert "answered 503" in page.text


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"[]", b'{"repositories": 5}', b"", b"\xff\xfe"]
)
def test_an_answer_that_makes_no_sense_is_said_to(ui, body):
    down(ui, answer(200, body))
    assert ui.get("/api/repos").status == 502
    assert "not what it should be" in ui.get("/api/repos").json["error"]


def test_an_answer_without_end_is_not_read(ui):
    down(ui, answer(200, b'{"repositories":["' + b"a" * 9_000_000 + b'"]}'))
    assert ui.get("/api/repos").status == 502
    assert "larger than" in ui.get("/api/repos").json["error"]


def test_no_tags_at_all_is_an_empty_list(ui):
    down(ui, answer(200, b'{"name":"app","tags":null}'))
    assert ui.get("/api/tags/app").json == {"repo": "app", "tags": []}
    assert "has no tags" in ui.page("/repo/app").text


def test_one_tag_that_cannot_be_read_leaves_the_others(gallery):
    gallery.wire.intercept = lambda method, path, headers: (
        answer(500, b'{"errors":[{"code":"UNKNOWN","message":"bad sector"}]}')
        if path == "/v2/team/app/manifests/v1.9.0"
        else None
    )
    page = gallery.page("/repo/team/app")
    assert len(page.rows()) == 7
    assert "UNKNOWN: bad sector" in page.text
    assert "10.3 KiB" in page.text


def test_one_repository_that_cannot_be_read_leaves_the_others(gallery):
    gallery.wire.intercept = lambda method, path, headers: (
        answer(500) if path.startswith("/v2/busybox/") else None
    )
    page = gallery.page("/")
    assert len(page.rows()) == 7
    assert "cannot be read" in page.text


def test_a_config_that_is_not_there_leaves_the_rest(ui):
    ui.gallery.image("app", "v1", [b"x" * 100])
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"{}") if "/blobs/" in path else None
    )
    assert "100 B" in ui.page("/image/app:v1").text
    assert ui.page("/repo/app").rows() == ["/image/app:v1"]


def test_content_that_is_not_what_its_digest_names_is_refused(ui):
    digest = ui.gallery.image("app", "v1", [b"x"])
    ui.gallery.image("app", "v2", [b"y"])
    other = ui.server.request("GET", "/v2/app/manifests/v2").body
    ui.wire.intercept = lambda method, path, headers: (
        answer(200, other) if path.endswith(digest) and method == "GET" else None
    )
    assert (
        "other content than this digest names" in ui.page(f"/image/app@{digest}", status=502).text
    )


def test_a_registry_without_a_catalog_still_serves(ui):
    ui.gallery.image("app", "v1", [b"x"])
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"{}") if "_catalog" in path else None
    )
    assert "does not list its repositories" in ui.page("/").text
    assert "/repo/app" in ui.page("/search?q=app").links
    assert ui.page("/repo/app").rows() == ["/image/app:v1"]


def test_names_can_be_given_where_the_registry_lists_none():
    ui = Ui(settings=Settings(REGISTRY_URL, "r.example", ":8080", ("app", "other")))
    ui.gallery.image("app", "v1", [b"x"])
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"{}") if "_catalog" in path else None
    )
    assert "/repo/app" in ui.page("/").links
    assert ui.get("/api/repos").json == {"repositories": ["app", "other"]}
    ui.hang_up()


# Logins.

LOGIN = "Basic " + base64.b64encode(b"ada:lovelace").decode()


def locked(ui: Ui, challenge: str = 'Basic realm="Registry"') -> list[str]:
    """Have the registry ask for a login; give every login it was sent."""
    logins = []

    def ask(method, path, headers):
        sent = (headers.getRawHeaders("Authorization") or [""])[0]
        logins.append(sent)
        if sent == LOGIN:
            return None
        body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        return answer(401, body, WWW_Authenticate=challenge)

    ui.wire.intercept = ask
    return logins


@pytest.mark.parametrize("path", ["/", "/repo/app", "/image/app:v1", "/search?q=a", "/api/repos"])
def test_a_basic_challenge_reaches_the_browser(ui, path):
    ui.gallery.image("app", "v1", [b"x"])
    locked(ui)
    found = ui.get(path)
    assert found.status == 401
    assert found.header("WWW-Authenticate") == 'Basic realm="Registry"'
    assert ui.get(path, Authorization=LOGIN).status == 200


def test_one_visitors_login_opens_nothing_for_another(ui):
    ui.gallery.image("app", "v1", [b"x"])
    locked(ui)
    assert ui.page("/", Authorization=LOGIN).rows() == ["/repo/app"]
    assert ui.page("/image/app:v1", Authorization=LOGIN)
    for path in ("/", "/repo/app", "/image/app:v1", "/search?q=app", "/compare?a=app:v1&b=app:v1"):
        found = ui.get(path)
        assert found.status == 401, path
        assert b"/repo/app" not in found.body.replace(b'value="/repo/app"', b"")


def test_a_login_is_not_kept(ui):
    ui.gallery.image("app", "v1", [b"x"])
    logins = locked(ui)
    ui.page("/", Authorization=LOGIN)
    ui.clock.advance(3600)
    logins.clear()
    ui.get("/")
    assert LOGIN not in logins
    assert not [each for each in reachable(ui.context) if each in (LOGIN, LOGIN.encode())]


def test_a_login_is_not_kept_by_what_went_wrong(ui):
    ui.gallery.image("app", "v1", [b"x"])
    logins = locked(ui)
    ui.page("/", Authorization=LOGIN)
    down(ui)
    ui.clock.advance(10)
    for path in ("/", "/repo/app", "/image/app:v1", "/delete?repo=app&tag=v1"):
        ui.get(path, Authorization=LOGIN)
    ui.clock.advance(3600)
    assert LOGIN in logins
    assert not [each for each in reachable(ui.context) if each in (LOGIN, LOGIN.encode())]


def reachable(thing: object) -> list[str | bytes]:
    """Give every text that something holds on to, however deep."""
    seen, queue, texts = {id(thing)}, [thing], []
    while queue:
        holder = queue.pop()
        # The collector passes over keys that are texts.
        keys = list(holder) if isinstance(holder, dict) else []
        for held in [*keys, *gc.get_referents(holder)]:
            if isinstance(held, str | bytes):
                texts.append(held)
            elif id(held) not in seen and not isinstance(held, type | ModuleType | FunctionType):
                seen.add(id(held))
                queue.append(held)
    return texts


def test_what_is_held_on_to_is_found(ui):
    ui.context.libraries.of(LOGIN).repository("a").absent[LOGIN] = 1.0
    assert LOGIN in reachable(ui.context)


def test_a_revoked_login_shows_nothing_old(ui):
    ui.gallery.image("app", "v1", [b"x"])
    locked(ui)
    ui.page("/repo/app", Authorization=LOGIN)
    ui.wire.intercept = lambda method, path, headers: answer(
        401, WWW_Authenticate='Basic realm="Registry"'
    )
    ui.clock.advance(2)
    assert ui.get("/repo/app", Authorization=LOGIN).status == 401
    assert ui.get("/", Authorization=LOGIN).status == 401


def test_a_login_that_browsers_cannot_give_is_explained(ui):
    locked(ui, 'Bearer realm="https://auth.example/token",service="registry"')
    asked = ui.get("/")
    assert (asked.status, asked.header("WWW-Authenticate")) == (401, 'Basic realm="registry"')
    found = ui.get("/", Authorization="Basic YTpi")
    assert found.status == 502
    assert found.header("WWW-Authenticate") is None
    assert "another kind of login" in Page(found.body.decode()).text


def test_who_may_not_is_told_so(ui):
    down(ui, answer(403, b'{"errors":[{"code":"DENIED","message":"not you"}]}'))
    assert "DENIED: not you" in ui.page("/repo/app", status=403).text


def test_cookies_of_the_registry_are_not_passed_around(ui):
    seen = []

    def serve(method, path, headers):
        seen.append(headers.getRawHeaders("Cookie"))
        return answer(200, b'{"repositories":[]}', Set_Cookie="session=secret; Path=/")

    ui.wire.intercept = serve
    ui.get("/api/repos")
    ui.get("/api/repos")
    assert seen == [None, None]


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


def test_a_registry_that_goes_down_after_a_deletion_leaves_the_right_age(gallery):
    gallery.page("/")
    digest = gallery.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    gallery.post("/delete", {"repo": "busybox", "digest": digest})
    down(gallery)
    gallery.clock.advance(61)
    assert "1 minute ago" in gallery.page("/").text
    assert "1 minute ago" in gallery.page("/repo/busybox").text


def test_a_tag_that_lies_about_its_digest_is_not_believed(ui):
    ui.gallery.image("app", "v1", [b"x"])
    content = ui.server.request("GET", "/v2/app/manifests/v1").body
    ui.wire.intercept = lambda method, path, headers: (
        answer(200, content, Docker_Content_Digest="sha256:" + "1" * 64)
        if path.endswith("/v1")
        else None
    )
    assert "other content than this digest names" in ui.page("/repo/app").text


def test_more_layers_than_anybody_reads_are_counted(ui):
    gallery = ui.gallery
    part = gallery.part("app", b"x", "text/plain")
    gallery.artifact("app", "v1", "application/vnd.example.many", [part] * 1500)
    page = ui.page("/image/app:v1")
    assert "Blobs 1,500" in page.text
    assert "The manifest lists 500 more." in page.text


def test_a_text_that_is_too_long_is_cut_and_says_so(ui):
    ui.gallery.image("app", "v1", [b"x"], config={"Labels": {"long": "x" * 150_000}})
    page = ui.page("/image/app:v1")
    assert "(and 50,000 more characters)" in page.text
    assert len(page.source) < 500_000


def test_names_that_cannot_be_are_left_out(ui):
    ui.gallery.image("app", "v1", [b"x"])

    def odd_names(method, path, headers):
        if "_catalog" in path:
            return answer(200, b'{"repositories":["app","../up","a b","x\\r\\ny","UP","\xc3\xa6"]}')
        if "tags/list" in path:
            return answer(200, b'{"tags":["v1","v1","../up","a b","x\\r\\ny","","-dash"]}')
        return None

    ui.wire.intercept = odd_names
    assert ui.page("/").rows() == ["/repo/app"]
    assert ui.page("/repo/app").rows() == ["/image/app:v1"]
    assert ui.get("/api/tags/app").json["tags"] == ["v1"]


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


@pytest.mark.parametrize("body", [b"<html>", b'{"manifests": 5}', b'{"manifests": [{"size": 1}]}'])
def test_a_list_of_referrers_that_makes_no_sense_is_said_to(gallery, body):
    gallery.wire.intercept = lambda method, path, headers: (
        answer(200, body) if "/referrers/" in path else None
    )
    assert "is not understood" in gallery.page("/image/busybox:1.36").text
    assert "is not understood" in gallery.page("/delete?repo=busybox&tag=1.36").text


def test_what_one_repository_names_is_not_taken_from_another(ui):
    """A registry that does not look may take a manifest that names a config it may not name."""
    ui.gallery.image("secret", "v1", [b"x"], config={"Env": ["PASSWORD=hidden"]})
    stored = ui.server.request("GET", "/v2/secret/manifests/v1").body
    assert "hidden" in ui.page("/image/secret:v1").text
    ui.wire.intercept = lambda method, path, headers: (
        answer(200, stored, Content_Type="application/vnd.oci.image.manifest.v1+json")
        if path.startswith("/v2/mine/manifests/")
        else None
    )
    assert "hidden" not in ui.page("/image/mine:v1").text


@pytest.mark.parametrize("status", [403, 404])
def test_a_list_that_is_denied_from_now_on_is_not_shown_from_before(ui, status):
    ui.gallery.image("app", "v1", [b"x"])
    assert ui.page("/").rows() == ["/repo/app"]
    ui.clock.advance(5)
    down(ui, answer(status, b"{}"))
    page = ui.page("/")
    assert page.rows() == []
    assert "does not list its repositories" in page.text
    assert ui.page("/search?q=app").rows() == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/repo/team/app",
        "/image/team/app:v1.10.0",
        "/compare?a=team/app:v1.9.0&b=team/app:latest",
        "/delete?repo=team/app&tag=latest",
        "/search?q=app",
        "/api/repos",
        "/api/tags/team/app",
        "/health?deep=1",
    ],
)
def test_a_visitor_may_leave_at_any_question_to_the_registry(gallery, path):
    """The autouse fixture fails this if anything is logged as a failure."""
    whole = gallery.get(path)
    gallery.start()
    gallery.wire.asked.clear()
    assert gallery.get(path).status == whole.status
    for number in range(min(len(gallery.wire.asked), 12)):
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
