"""What other sites may make a browser do here: nothing."""

from __future__ import annotations

import base64

import pytest

from holm_registry.ui.web.security import SiteOrigins
from holm_registry.ui.web.settings import UiSettings

from .login import LOGIN, locked
from .wire import REGISTRY_URL, Ui, answer

HERE, THERE = "http://registry.test", "https://evil.example"

#: Sec-Fetch-Site, Origin, and whether it is taken. None stands for no such header.
DECISIONS = [
    ("same-origin", None, True),
    ("same-origin", HERE, True),
    # Behind a proxy that does not pass the name on.
    ("same-origin", "https://ui.example", True),
    ("none", None, True),
    ("none", HERE, True),
    ("none", THERE, False),
    ("none", "null", False),
    ("none", [HERE, THERE], False),
    ("same-site", None, False),
    ("same-site", HERE, False),
    ("cross-site", None, False),
    ("cross-site", HERE, False),
    ("cross-site", THERE, False),
    ("odd", None, False),
    ("odd", HERE, False),
    ("", None, False),
    ("SAME-ORIGIN", HERE, False),
    (["same-origin", "cross-site"], None, False),
    (["cross-site", "same-origin"], HERE, False),
    ("same-origin, cross-site", HERE, False),
    (None, None, True),
    (None, HERE, True),
    (None, "http://REGISTRY.test:80", True),
    (None, "http://ui.test", True),
    (None, "https://registry.test:8443", False),
    (None, "http://registry.test.evil.example", False),
    (None, "http://registry.test@evil.example", False),
    (None, "http://evil.example/registry.test", False),
    (None, "file://registry.test", False),
    (None, "registry.test", False),
    (None, "http://[", False),
    (None, "", False),
    (None, "null", False),
    (None, THERE, False),
    (None, [HERE, THERE], False),
    (None, [THERE, HERE], False),
]


def sent(site, origin, **more):
    headers = {"Sec_Fetch_Site": site, "Origin": origin, **more}
    return {name: value for name, value in headers.items() if value is not None}


@pytest.mark.parametrize(("site", "origin", "taken"), DECISIONS)
def test_requests_of_other_sites_change_nothing(gallery, site, origin, taken):
    digest = gallery.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    form = {"repo": "busybox", "digest": digest}
    found = gallery.post("/delete", form, **sent(site, origin))
    assert found.status == (303 if taken else 403), found.body
    assert gallery.has("busybox", digest) is not taken


@pytest.mark.parametrize(("referer", "taken"), [(f"{HERE}/delete?a", True), (f"{THERE}/", False)])
def test_where_a_browser_says_no_origin_the_page_before_counts(gallery, referer, taken):
    found = gallery.post("/theme", {"theme": "dark"}, Referer=referer)
    assert found.status == (303 if taken else 403)


# Names that another site may have pointed here.

KNOWN = [
    "localhost",
    "localhost:8080",
    "LOCALHOST",
    "localhost.",
    "ui.localhost",
    "127.0.0.1:8080",
    "10.1.2.3",
    "[::1]:8080",
    "[fe80::1]",
    "ui",
    "holm-ui:31750",
    "ui.holm.svc",
    "ui.holm.svc.cluster.local:8080",
    "10-1-2-3.holm.pod.cluster.local",
    "printer.local",
    "ui.lan",
    "ui.home.arpa",
    "registry.example",
    "registry.example:8080",
    "allowed.example",
    "allowed.example:444",
    "port.example:8443",
]
UNKNOWN = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "evil.local.example",
    "evillocal.example",
    "evil.svc.example",
    "registry.example.evil.example",
    "evil.registry.example",
    "sub.allowed.example",
    "port.example",
    "port.example:8444",
    "evil.localdomain",
    "1.2.3",
]


def rebound(host: str) -> Ui:
    settings = UiSettings(
        REGISTRY_URL,
        "registry.example:31500",
        ":8080",
        allowed_hosts=("allowed.example", "port.example:8443"),
    )
    ui = Ui(settings=settings)
    ui.gallery.image("app", "v1", [b"x"])
    return ui


def delete_as(ui: Ui, host: str, *lines: str):
    digest = ui.server.request("HEAD", "/v2/app/manifests/v1").header("Docker-Content-Digest")
    body = f"repo=app&digest={digest}"
    head = [
        "POST /delete HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    connection = ui.connect()
    connection.send(("\r\n".join(head) + "\r\n\r\n" + body).encode())
    return connection.answer()


@pytest.mark.parametrize("host", KNOWN)
def test_a_name_that_only_ones_own_network_gives_may_change_things(host):
    ui = rebound(host)
    lines = ("Sec-Fetch-Site: same-origin", f"Origin: http://{host}")
    assert delete_as(ui, host, *lines).status == 303
    assert ui.tags("app") == []
    ui.hang_up()


@pytest.mark.parametrize("host", UNKNOWN)
def test_a_name_that_anybody_may_point_here_changes_nothing(host):
    ui = rebound(host)
    own = ("Sec-Fetch-Site: same-origin", f"Origin: http://{host}")
    for lines in (
        own,
        (),
        (*own, "X-Forwarded-Host: localhost"),
        (*own, "Forwarded: host=localhost"),
        # No login that anybody can make up is one, where the registry asks for none.
        (*own, f"Authorization: {LOGIN}"),
        (*own, "Authorization: Bearer x"),
    ):
        found = delete_as(ui, host, *lines)
        assert found.status == 403, lines
        assert b"--allowed-hosts (ALLOWED_HOSTS)" in found.body
    assert ui.tags("app") == ["v1"]
    ui.hang_up()


def test_what_a_proxy_was_called_must_be_known_too():
    ui = rebound("localhost")
    assert delete_as(ui, "localhost", "X-Forwarded-Host: evil.example").status == 403
    assert delete_as(ui, "localhost", "X-Forwarded-Host: allowed.example").status == 303
    ui.hang_up()


def test_a_login_that_the_registry_asks_for_may_change_things_under_any_name():
    ui = rebound("evil.example")
    locked(ui)
    assert delete_as(ui, "evil.example").status == 403
    assert delete_as(ui, "evil.example", f"Authorization: {LOGIN}").status == 303
    ui.hang_up()


def test_the_table_of_names_holds_for_no_name_at_all():
    assert not SiteOrigins()._is_known("")


# Nothing is changed by a GET.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing_at_the_registry(gallery, method):
    """Every page, as another site could have a browser load it, with and without a login."""
    digest = gallery.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    for path in (
        "/",
        "/repo/team/app",
        "/image/team/app:latest",
        f"/image/busybox@{digest}",
        "/raw/team/app:latest",
        "/compare?a=team/app:v1.9.0&b=team/app:latest",
        "/search?q=app",
        "/login",
        "/login?back=/delete",
        "/logout",
        "/api/repos",
        "/api/tags/team/app",
        "/health?deep=1",
        "/delete?repo=team/app&tag=latest",
        "/delete?repo=team/app&tag=latest&how=tag",
        "/delete?repo=team/app&all=1",
        f"/delete?repo=busybox&digest={digest}",
        f"/delete?repo=busybox&digest={digest}&how=image&companions=1",
    ):
        for headers in ({}, {"Authorization": LOGIN}):
            gallery.request(method, path, **headers)
    assert gallery.wire.requests_sent
    assert {each.partition(" ")[0] for each in gallery.wire.requests_sent} <= {"GET", "HEAD"}


# Errors, by who asks.


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/xhtml+xml", "text/html; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
        (None, "text/plain; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("application/json", "application/json"),
        ("application/json, text/html", "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize(
    "asked",
    [
        ("POST", "/delete", 400),
        ("GET", "/delete", 400),
        ("GET", "/nowhere", 404),
        ("GET", "/repo/none", 404),
        ("GET", "/image/none:v1", 404),
        ("DELETE", "/", 405),
        ("POST", "/theme", 400),
        ("GET", "/login", 401),
        ("GET", "/static/1/app.css", 404),
    ],
)
def test_errors_are_pages_for_browsers_and_lines_for_programs(ui, accept, kind, asked):
    method, path, status = asked
    headers = {} if accept is None else {"Accept": accept}
    found = ui.request(method, path, **headers)
    assert (found.status, found.header("Content-Type")) == (status, kind)
    if kind.startswith("text/plain"):
        assert found.body.count(b"\n") == 1
        assert b"<" not in found.body


@pytest.mark.parametrize("accept", [None, "*/*", "text/html"])
@pytest.mark.parametrize("path", ["/api/none", "/api/tags/none", "/api/tags/UP"])
def test_errors_of_the_api_are_json(ui, path, accept):
    found = ui.get(path, **({} if accept is None else {"Accept": accept}))
    assert found.status == 404
    assert found.json["error"]


# Registries that ask for no login.


def invented(number: int) -> str:
    return "Basic " + base64.b64encode(f"nobody{number}:x".encode()).decode()


def test_logins_that_a_registry_does_not_ask_for_are_one_visitor(ui):
    ui.gallery.image("app", "v1", [b"x"])
    ui.page("/")
    logins = []

    def note(method, path, headers):
        logins.append((path, (headers.getRawHeaders("Authorization") or [""])[0]))

    ui.wire.intercept = note
    for number in range(50):
        assert ui.page("/", Authorization=invented(number)).rows() == ["/repo/app"]
    assert len(ui.context.visitor_caches) == 1
    assert not [login for path, login in logins if path != "/v2/" and login]
    assert [path for path, _ in logins].count("/v2/") == 2


def test_a_registry_that_begins_to_ask_is_believed(ui):
    ui.gallery.image("app", "v1", [b"x"])
    assert ui.page("/", Authorization=LOGIN).rows() == ["/repo/app"]
    logins = locked(ui)
    ui.clock.advance(2)
    ui.get("/", Authorization=LOGIN)
    assert ui.page("/", Authorization=LOGIN).rows() == ["/repo/app"]
    assert LOGIN in logins
    assert ui.get("/").status == 401


def test_a_registry_that_asks_is_sent_no_login_that_nobody_has(ui):
    logins = locked(ui)
    ui.gallery.image("app", "v1", [b"x"])
    ui.page("/", Authorization=LOGIN)
    assert set(logins) == {"", LOGIN}


def test_a_registry_that_takes_some_logins_keeps_visitors_apart(ui):
    ui.gallery.image("app", "v1", [b"x"])

    def ask(method, path, headers):
        login = (headers.getRawHeaders("Authorization") or [""])[0]
        return None if login in ("", LOGIN) else answer(401)

    ui.wire.intercept = ask
    ui.page("/", Authorization=LOGIN)
    ui.page("/")
    assert len(ui.context.visitor_caches) == 2
