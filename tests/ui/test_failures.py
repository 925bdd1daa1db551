"""A registry that is down, slow, odd, or asks who is there."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.error import DNSLookupError
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from holm_registry.ui.web.settings import UiSettings

from .down import REFUSED, down
from .wire import REGISTRY_URL, SETTINGS, Ui, answer


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
    ui = Ui(settings=UiSettings(REGISTRY_URL, "r.example", ":8080", ("app", "other")))
    ui.gallery.image("app", "v1", [b"x"])
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"{}") if "_catalog" in path else None
    )
    assert "/repo/app" in ui.page("/").links
    assert ui.get("/api/repos").json == {"repositories": ["app", "other"]}
    ui.hang_up()


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
