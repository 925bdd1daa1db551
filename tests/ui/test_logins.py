"""Logins: passed on to the registry, kept nowhere, explained where they fail."""

from __future__ import annotations

import base64
import gc
from types import FunctionType, ModuleType

import pytest

from .down import down
from .login import LOGIN, locked
from .wire import Page, answer


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
    ui.context.visitor_caches.of(LOGIN).repository("a").absent[LOGIN] = 1.0
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
