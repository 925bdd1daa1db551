"""Subject, repository, action and method over every route."""

from __future__ import annotations

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.api.app import build_app
from holm_registry.api.context import ApiContext
from holm_registry.api.event_emitter import EventEmitter
from holm_registry.auth.rules import RepositoryPattern, Rule, Rules
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.oci.digest import Digest
from holm_registry.threads import ImmediateThreads

from .logins import RULES, RULES_WITH_CATALOG, USERS, A, basic, serving, token
from .wire import Server

DIGEST = Digest.of(A)
BLOB = Digest.of(b"c")


#: Each route with what it takes; ``{u}`` is an upload that somebody else began.
ROUTES = [
    ("GET", "manifests/v1", "pull"),
    ("HEAD", "manifests/v1", "pull"),
    ("GET", f"manifests/{DIGEST}", "pull"),
    ("GET", f"blobs/{BLOB}", "pull"),
    ("HEAD", f"blobs/{BLOB}", "pull"),
    ("GET", "tags/list", "pull"),
    ("GET", f"referrers/{DIGEST}", "pull"),
    ("POST", "blobs/uploads/", "push"),
    ("POST", "blobs/uploads", "push"),
    ("GET", "blobs/uploads/{u}", "push"),
    ("PATCH", "blobs/uploads/{u}", "push"),
    ("PUT", "blobs/uploads/{u}", "push"),
    ("DELETE", "blobs/uploads/{u}", "push"),
    ("PUT", "manifests/v2", "push"),
    ("DELETE", "manifests/v1", "delete"),
    ("DELETE", f"manifests/{DIGEST}", "delete"),
    ("DELETE", f"blobs/{BLOB}", "delete"),
]


@pytest.fixture
def server(users, filled):
    found = serving(users, driver=filled)
    yield found
    found.hang_up()


def expected(user, repository, action):
    if action == "pull" and repository.startswith("public/"):
        return True
    return action in {"reader": "pull", "ci": "pull push", "admin": "pull push delete"}.get(
        user, ""
    )


@pytest.mark.parametrize(
    ("user", "repository", "route"),
    list(itertools.product(["", *USERS], ["public/a", "private/a"], ROUTES)),
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_every_route_asks_who_may(server, user, repository, route):
    method, path, action = route
    upload = server.registry.uploads.start(repository)
    body = A if path == "manifests/v2" else (b"" if method in ("POST", "PUT", "PATCH") else None)
    login = basic(user) if user else {}
    address = f"/v2/{repository}/{path.format(u=upload)}"
    answer = server.request(method, address, body, **login)
    if expected(user, repository, action):
        # An empty upload is no blob; that is not for the authorizer to say.
        assert answer.status < 300 or "DIGEST_INVALID" in answer.codes
        return
    assert answer.status == (403 if user else 401)
    if method != "HEAD":
        assert answer.codes == ["DENIED" if user else "UNAUTHORIZED"]
    challenge = answer.header("WWW-Authenticate")
    assert challenge == (None if user else 'Basic realm="Holm"')
    assert server.registry.uploads.size_bytes(repository, upload) == 0, "nothing was done"


def test_no_route_was_forgotten(server):
    """Every method of every route of a repository is in the table above."""
    app = build_app(ApiContext(server.registry, ImmediateThreads()))
    rules = {
        (method, rule.rule.partition(">/")[2])
        for rule in app.url_map.iter_rules()
        if "<repository" in rule.rule
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    known = {
        (
            method,
            path.replace("manifests/v1", "manifests/<reference:reference>")
            .replace("manifests/v2", "manifests/<reference:reference>")
            .replace(f"manifests/{DIGEST}", "manifests/<reference:reference>")
            .replace(f"blobs/{BLOB}", "blobs/<digest:digest>")
            .replace(f"referrers/{DIGEST}", "referrers/<digest:digest>")
            .replace("{u}", "<session:session_id>"),
        )
        for method, path, _ in ROUTES
    }
    assert rules <= known, rules - known
    assert len(rules) >= 11


def test_whether_something_is_there_is_told_to_nobody_who_may_not_look(server):
    for login in ({}, basic("stranger")):
        there, nowhere = (
            server.request("GET", f"/v2/private/{name}/manifests/v1", **login)
            for name in ("a", "none")
        )
        assert there.status == nowhere.status
        assert there.codes == nowhere.codes


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"reader:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody:x").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"reader:" + b"x" * 1000).decode(),
        "Bearer x",
        "Digest x",
        "\xe4",
    ],
)
def test_a_wrong_login_is_asked_for_again_also_where_none_is_needed(server, value):
    for path in ("/v2/", "/v2/public/a/manifests/v1", "/v2/_catalog"):
        answer = server.request("GET", path, Authorization=value)
        assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
        assert answer.header("WWW-Authenticate") == 'Basic realm="Holm"'


def test_an_empty_login_is_none(server):
    """Skopeo sends one where it was asked for a login and has none."""
    assert server.request("GET", "/v2/public/a/manifests/v1", **basic("", "")).status == 200


def test_the_version_check_asks_for_a_login_by_which_docker_learns_how(server):
    assert server.request("GET", "/v2/").status == 401
    assert server.request("GET", "/v2/", **basic("reader")).status == 200
    assert server.request("GET", "/v2/", **basic("stranger")).status == 200
    assert server.request("GET", "/").status == 200, "for probes"


def test_a_registry_without_users_lets_in_whom_its_rules_let_in(filled):
    open_to_all = Rules(
        [Rule(frozenset({"anonymous"}), (RepositoryPattern("public/*"),), frozenset({"pull"}))]
    )
    server = serving(None, open_to_all, driver=filled)
    assert server.request("GET", "/v2/").status == 200
    assert server.request("GET", "/v2/public/a/manifests/v1").status == 200
    assert server.request("GET", "/v2/private/a/manifests/v1").status == 401
    assert server.request("GET", "/v2/", **basic("reader")).status == 401
    server.hang_up()


def listed(server, **login):
    answer = server.request("GET", "/v2/_catalog", **login)
    return answer.json["repositories"] if answer.status == 200 else answer.status


def test_lists_show_what_may_be_pulled(users, filled):
    server = serving(users, RULES_WITH_CATALOG, driver=filled)
    assert listed(server) == ["public/a"]
    assert listed(server, **basic("stranger")) == ["public/a"]
    assert listed(server, **basic("reader")) == ["private/a", "public/a"]
    page = server.request("GET", "/v2/_catalog?n=1")
    assert page.json["repositories"] == ["public/a"]
    assert page.header("Link") is None, "what follows is not for them"
    server.hang_up()


def test_a_client_without_a_login_is_asked_for_it_before_it_gets_a_shorter_list(server):
    """oras, regctl and dxf send theirs only then."""
    for login in ({}, basic("", "")):
        answer = server.request("GET", "/v2/_catalog", **login)
        assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
        assert answer.header("WWW-Authenticate") == 'Basic realm="Holm"'
    assert listed(server, **basic("stranger")) == ["public/a"]
    assert listed(server, **basic("reader")) == ["private/a", "public/a"]


def test_where_tokens_are_issued_the_catalog_asks_for_one_with_its_scope(issuing):
    answer = issuing.request("GET", "/v2/_catalog")
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == (
        'Bearer realm="http://registry.test/auth/token",service="holm",scope="registry:catalog:*"'
    )
    assert listed(issuing, **token(issuing, "registry:catalog:*", **basic("reader"))) == [
        "private/a",
        "public/a",
    ]
    assert listed(issuing, **token(issuing, "registry:catalog:*")) == 401, "for nobody"


@pytest.mark.parametrize("scopes", [[], ["repository:private/a:pull"], ["registry:catalog:pull"]])
def test_a_token_for_something_else_lists_nothing(issuing, scopes):
    answer = issuing.request("GET", "/v2/_catalog", **token(issuing, *scopes, **basic("reader")))
    assert answer.status == 401
    assert answer.header("WWW-Authenticate").endswith(
        'scope="registry:catalog:*",error="insufficient_scope"'
    )


def test_a_rule_lets_anonymous_clients_list_what_they_may_pull_from(users, filled):
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(users, RULES_WITH_CATALOG, issuer=issuer, driver=filled)
    assert listed(server) == ["public/a"]
    assert listed(server, **token(server, "registry:catalog:*")) == ["public/a"]
    assert listed(server, **token(server)) == 401
    server.hang_up()


def test_where_nobody_can_log_in_the_catalog_needs_no_rule_of_its_own(filled):
    server = serving(None, RULES, driver=filled)
    assert listed(server) == ["public/a"]
    server.hang_up()


def test_without_rules_a_list_is_for_who_has_logged_in(users, filled):
    server = serving(users, Rules(), driver=filled)
    assert server.request("GET", "/v2/_catalog").status == 401
    listed = server.request("GET", "/v2/_catalog", **basic("stranger"))
    assert listed.json["repositories"] == ["private/a", "public/a"]
    server.hang_up()


def test_what_may_not_be_pulled_cannot_be_mounted(users, filled):
    rules = Rules(
        [
            Rule(frozenset({"ci"}), (RepositoryPattern("mine/*"),), frozenset({"pull", "push"})),
            Rule(frozenset({"anonymous"}), (RepositoryPattern("public/*"),), frozenset({"pull"})),
        ]
    )
    server = serving(users, rules, driver=filled)

    def mount(source):
        path = f"/v2/mine/a/blobs/uploads/?mount={BLOB}{source}"
        return server.request("POST", path, **basic("ci")).status

    assert mount("&from=public/a") == 201
    assert mount("&from=private/a") == 202
    assert mount("") == 202, "it might be anywhere"
    server.hang_up()


def test_who_did_it_is_told_in_events(users, filled):
    from .test_notifications import RecordingSink

    sink = RecordingSink()
    server = serving(users, driver=filled)
    server.hang_up()
    authorizer = server.settings["authorizer"]
    server = Server(
        filled, settings={"authorizer": authorizer, "event_emitter": EventEmitter(sink)}
    )
    server.request("GET", "/v2/private/a/manifests/v1", **basic("reader"))
    assert sink.events[0]["actor"] == {"name": "reader"}
    server.request("GET", "/v2/public/a/manifests/v1")
    assert sink.events[1]["actor"] == {}
    server.hang_up()


@given(st.binary(max_size=60))
def test_no_authorization_is_a_fault(users, value):
    server = serving(users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0))
    text = value.decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")
    for header in (text, f"Bearer {text}", f"Basic {base64.b64encode(value).decode()}"):
        answer = server.request("GET", "/v2/a/manifests/v1", Authorization=header)
        assert answer.status in (400, 401, 404), answer
    server.hang_up()


@pytest.mark.parametrize("rules", [RULES, Rules()], ids=["rules", "none"])
def test_a_robot_may_do_what_its_key_says_and_what_all_may(users, filled, robots, rules):
    server = serving(users, rules, driver=filled, robots=robots)
    login = basic("robot", robots.key)
    assert server.request("GET", "/v2/", **login).status == 200
    assert server.request("PUT", "/v2/private/a/manifests/v2", A, **login).status == 201
    assert server.request("DELETE", "/v2/private/a/manifests/v2", **login).status == 403
    assert server.request("PUT", "/v2/public/a/manifests/v2", A, **login).status == 403
    looked = server.request("GET", "/v2/public/a/manifests/v1", **login).status
    assert looked == (200 if rules is RULES else 403)
    listed = ["private/a", "public/a"] if rules is RULES else ["private/a"]
    assert server.request("GET", "/v2/_catalog", **login).json["repositories"] == listed
    assert server.request("GET", "/v2/", **basic("robot", "wrong")).status == 401
    robots.revoke("robot")
    assert server.request("GET", "/v2/", **login).status == 401
    server.hang_up()


def test_a_robot_with_a_users_name_is_not_that_user(users, filled, robots):
    server = serving(users, driver=filled, robots=robots)
    delete = ("DELETE", "/v2/private/a/manifests/v1")
    assert server.request(*delete, **basic("admin", robots.named_as_a_user)).status == 403
    assert server.request(*delete, **basic("admin")).status == 202
    server.hang_up()
