"""The UI of a registry that gives out tokens, and shows a visitor what they may see."""

from __future__ import annotations

import base64

import pytest

from holm_registry.api.authorizer import RuleAuthorizer
from holm_registry.api.bearer_scheme import BearerScheme
from holm_registry.auth import htpasswd as module
from holm_registry.auth.htpasswd import HtpasswdFile, hash_password
from holm_registry.auth.rules import RepositoryPattern, Rule, Rules
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.threads import ImmediateThreads
from holm_registry.ui.web.login_throttle import BURST

from ..http.wire import Server
from .wire import Ui, answer


def rule(subjects, patterns, *actions):
    return Rule(frozenset([subjects]), (RepositoryPattern(patterns),), frozenset(actions))


RULES = Rules(
    [
        Rule(
            frozenset(["anonymous"]),
            (RepositoryPattern("public/*"),),
            frozenset(["pull"]),
            catalog=True,
        ),
        rule("reader", "*", "pull"),
        rule("admin", "*", "pull", "push", "delete"),
    ]
)


def login(name, password=None):
    text = f"{name}:{password or name}"
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.fixture
def ui(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROUNDS", 4)
    path = tmp_path / "htpasswd"
    path.write_text(
        "".join(f"{name}:{hash_password(name.encode())}\n" for name in ("reader", "admin"))
    )
    open_server = Server()
    for name in ("public/app", "private/app"):
        open_server.push_image(name, "v1", b"{}", [b"layer"])
    open_server.hang_up()
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    # As behind a proxy: a name that the UI does not know the registry by.
    address = "https://registry.example/auth/token"
    authorizer = RuleAuthorizer(
        rules=RULES,
        users=HtpasswdFile(str(path), print),
        bearer=BearerScheme(issuer.verify, "holm", lambda request: address, issuer),
        realm="Holm",
        threads=ImmediateThreads(),
    )
    found = Ui(Server(open_server.driver, settings={"authorizer": authorizer}))
    yield found
    found.hang_up()


def test_everybody_sees_what_is_open_and_is_asked_for_more_where_it_is_not(ui):
    assert ui.get("/api/repos").json == {"repositories": ["public/app"]}
    assert "v1" in ui.page("/repo/public/app").text
    for path in ("/repo/private/app", "/image/private/app:v1"):
        answer = ui.get(path)
        assert answer.status == 401
        assert answer.header("WWW-Authenticate") == 'Basic realm="registry"'


def test_a_login_is_passed_on_and_shows_what_it_may(ui):
    assert ui.get("/api/repos", **login("reader")).json == {
        "repositories": ["private/app", "public/app"]
    }
    page = ui.page("/repo/private/app", **login("reader"))
    assert "v1" in page.text
    ui.page("/image/private/app:v1", **login("reader"))
    assert ui.get("/repo/private/app").status == 401, "it opens nothing for others"


def test_a_wrong_login_is_asked_for_again(ui):
    answer = ui.get("/repo/private/app", **login("reader", "wrong"))
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == 'Basic realm="Holm"'


def test_who_may_not_delete_deletes_nothing(ui):
    reader, admin = login("reader"), login("admin")
    path = "/v2/private/app/manifests/"
    digest = ui.server.request("HEAD", f"{path}v1", **reader).header("Docker-Content-Digest")
    form = {"repo": "private/app", "digest": digest}
    assert ui.post("/delete", form, **reader).status == 403
    assert ui.server.request("HEAD", path + digest, **reader).status == 200
    assert ui.post("/delete", form, **admin).status == 303
    assert ui.server.request("HEAD", path + digest, **reader).status == 404


def test_only_what_a_visitor_may_do_is_offered(ui):
    for path in ("/repo/private/app", "/image/private/app:v1"):
        assert "/delete" not in ui.page(path, **login("reader")).source
        assert "/delete?repo=private/app" in ui.page(path, **login("admin")).source.replace(
            "%2F", "/"
        )
    for path in ("/repo/public/app", "/image/public/app:v1"):
        assert "/delete?" not in ui.page(path).source
        assert "/login?back=" in ui.page(path).source
        assert "/login?back=" not in ui.page(path, **login("admin")).source
        assert "Log out admin" in ui.page(path, **login("admin")).text


def test_where_there_are_no_logins_none_is_offered_and_all_may_be_done():
    found = Ui()
    found.gallery.image("app", "v1", [b"x"])
    page = found.page("/repo/app")
    assert "/delete?" in page.source
    assert "/log" not in page.source
    found.hang_up()


def test_a_registry_that_says_nothing_of_what_may_be_done_offers_all(ui):
    """registry:2 for one."""
    server = ui.server

    def without_allow(method, path, headers):
        named = {n.decode(): v[0].decode() for n, v in headers.getAllRawHeaders()}
        named.pop("content-length", None)
        found = server.request(method, path, **login("reader"))
        found.headers.removeHeader("Allow")
        return found if method != "HEAD" else answer(200, b"", **_kept(found))

    ui.wire.intercept = without_allow
    assert "/delete?" in ui.page("/repo/private/app", **login("reader")).source


def _kept(found):
    names = ("Content-Type", "Docker-Content-Digest")
    return {name.replace("-", "_"): found.header(name) for name in names if found.header(name)}


def test_a_visitor_logs_in_and_out(ui):
    asked = ui.get("/login?back=/repo/public/app")
    assert asked.status == 401
    assert asked.header("WWW-Authenticate") == 'Basic realm="registry"'
    assert ui.get("/login?back=/", **login("reader", "wrong")).status == 401
    back = ui.get("/login?back=/repo/public/app", **login("reader"))
    assert (back.status, back.header("Location")) == (303, "/repo/public/app")
    elsewhere = ui.get("/login?back=//evil.example", **login("reader"))
    assert elsewhere.header("Location") == "/"
    out = ui.get("/logout", **login("reader"))
    assert out.status == 401
    assert "Basic" not in out.header("WWW-Authenticate")
    assert out.header("Clear-Site-Data") == '"cookies"'
    assert "Logged out" in ui.page("/logout", 401).text
    elsewhere = ui.get("/logout", Sec_Fetch_Site="cross-site", **login("reader"))
    assert elsewhere.status == 403, "no other site logs anybody out"


def test_guesses_are_slowed_down_and_nobody_else(ui):
    ui.page("/repo/private/app", **login("reader"))
    for number in range(BURST):
        assert ui.get("/repo/private/app", **login("admin", f"guess{number}")).status == 401
    asked = len(ui.wire.requests_sent)
    refused = ui.get("/repo/private/app", **login("admin"))
    assert refused.status == 429
    assert refused.header("Retry-After") == "6"
    assert "too many logins from your address were wrong" in refused.body.decode()
    assert len(ui.wire.requests_sent) == asked, "the registry is not asked"
    assert ui.get("/repo/private/app", **login("reader")).status == 200, "believed before"
    assert ui.get("/repo/public/app").status == 200, "without a login"
    ui.clock.advance(6.1)
    assert ui.get("/repo/private/app", **login("admin")).status == 200
