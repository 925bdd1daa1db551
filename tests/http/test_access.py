"""Subject, repository, action and method over every route."""

from __future__ import annotations

import base64
import itertools
import json
import os
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from holm_registry.api.announcer import Announcer
from holm_registry.api.app import build_app
from holm_registry.api.bearer import Bearer
from holm_registry.api.context import Context
from holm_registry.api.guard import MAX_CHECKING, LoginGuard
from holm_registry.api.locations import Locations
from holm_registry.auditing import open_audit
from holm_registry.auth import htpasswd as module
from holm_registry.auth.htpasswd import Htpasswd, hashed
from holm_registry.auth.robots import Robots
from holm_registry.auth.rules import Pattern, Rule, Rules, Scope
from holm_registry.auth.tokens import Issuer
from holm_registry.auth.trust import Trust, TrustSettings
from holm_registry.config.model import SIGNING_ALGORITHMS
from holm_registry.oci.digest import Digest
from holm_registry.storage.memory import Memory
from holm_registry.threads import NoThreads

from ..images import image
from ..tokens import ISSUER, REALM, SERVICE, TokenIssuer, grant
from .wire import Server, head

A = image(b"c", [b"1"])
DIGEST = Digest.of(A)
BLOB = Digest.of(b"c")

RULES = Rules(
    [
        Rule(frozenset({"anonymous"}), (Pattern("public/*"),), frozenset({"pull"})),
        Rule(frozenset({"reader"}), (Pattern("*"),), frozenset({"pull"})),
        Rule(frozenset({"ci"}), (Pattern("*"),), frozenset({"pull", "push"})),
        Rule(frozenset({"admin"}), (Pattern("*"),), frozenset({"pull", "push", "delete"})),
    ]
)
USERS = ("reader", "ci", "admin", "stranger")

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


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "htpasswd"
    rounds, module.ROUNDS = module.ROUNDS, 4
    path.write_text("".join(f"{name}:{hashed(name.encode())}\n" for name in USERS))
    module.ROUNDS = rounds
    return Htpasswd(str(path), print)


def guarding(users, rules=RULES, issuer=None, threads=None, **settings):
    if issuer is not None:
        realm = partial(Locations().absolute, path="/auth/token")
        settings["bearer"] = Bearer(issuer.verify, issuer.service, realm, issuer)
    threads = threads or NoThreads()
    return LoginGuard(rules=rules, users=users, realm="Holm", threads=threads, **settings)


def serving(users, rules=RULES, issuer=None, driver=None, **settings):
    guard = guarding(users, rules, issuer, **settings)
    return Server(driver or Memory(), settings={"guard": guard})


@pytest.fixture
def driver():
    """A store that was filled before there were logins."""
    server = Server()
    for name in ("public/a", "private/a"):
        server.push_image(name, "v1", b"c", [b"1"])
    server.hang_up()
    return server.driver


@pytest.fixture
def server(users, driver):
    found = serving(users, driver=driver)
    yield found
    found.hang_up()


@pytest.fixture
def issuing(users, driver):
    found = serving(users, issuer=Issuer(b"k" * 32, "holm", 900.0), driver=driver)
    yield found
    found.hang_up()


def basic(name, password=None):
    login = f"{name}:{name if password is None else password}"
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


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
        # An empty upload is no blob; that is not for the guard to say.
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
    app = build_app(Context(server.registry, NoThreads()))
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


def test_a_registry_without_users_lets_in_whom_its_rules_let_in(driver):
    open_to_all = Rules(
        [Rule(frozenset({"anonymous"}), (Pattern("public/*"),), frozenset({"pull"}))]
    )
    server = serving(None, open_to_all, driver=driver)
    assert server.request("GET", "/v2/").status == 200
    assert server.request("GET", "/v2/public/a/manifests/v1").status == 200
    assert server.request("GET", "/v2/private/a/manifests/v1").status == 401
    assert server.request("GET", "/v2/", **basic("reader")).status == 401
    server.hang_up()


def test_lists_show_what_may_be_pulled(server):
    def listed(**login):
        return server.request("GET", "/v2/_catalog", **login).json["repositories"]

    assert listed() == ["public/a"]
    assert listed(**basic("stranger")) == ["public/a"]
    assert listed(**basic("reader")) == ["private/a", "public/a"]
    page = server.request("GET", "/v2/_catalog?n=1")
    assert page.json["repositories"] == ["public/a"]
    assert page.header("Link") is None, "what follows is not for them"


def test_without_rules_a_list_is_for_who_has_logged_in(users, driver):
    server = serving(users, Rules(), driver=driver)
    assert server.request("GET", "/v2/_catalog").status == 401
    listed = server.request("GET", "/v2/_catalog", **basic("stranger"))
    assert listed.json["repositories"] == ["private/a", "public/a"]
    server.hang_up()


def test_what_may_not_be_pulled_cannot_be_mounted(users, driver):
    rules = Rules(
        [
            Rule(frozenset({"ci"}), (Pattern("mine/*"),), frozenset({"pull", "push"})),
            Rule(frozenset({"anonymous"}), (Pattern("public/*"),), frozenset({"pull"})),
        ]
    )
    server = serving(users, rules, driver=driver)

    def mount(source):
        path = f"/v2/mine/a/blobs/uploads/?mount={BLOB}{source}"
        return server.request("POST", path, **basic("ci")).status

    assert mount("&from=public/a") == 201
    assert mount("&from=private/a") == 202
    assert mount("") == 202, "it might be anywhere"
    server.hang_up()


def test_a_password_is_checked_once_for_many_requests_and_again_when_the_file_changes(
    server, users, monkeypatch
):
    checked = []
    real = users.check
    monkeypatch.setattr(users, "check", lambda *login: (checked.append(login), real(*login))[1])
    for _ in range(5):
        assert server.request("GET", "/v2/", **basic("reader")).status == 200
    assert len(checked) == 1
    monkeypatch.setattr(users, "current", lambda: ("another",))
    server.request("GET", "/v2/", **basic("reader"))
    assert len(checked) == 2
    for _ in range(2):
        server.request("GET", "/v2/", **basic("reader", "wrong"))
    assert len(checked) == 4, "what was wrong is not remembered"


def token(server, *scopes, status=200, **login):
    query = "&".join(["service=holm", *(f"scope={scope}" for scope in scopes)])
    answer = server.request("GET", f"/auth/token?{query}", **login)
    assert answer.status == status, answer.body
    if status != 200:
        return answer
    assert answer.json["token"] == answer.json["access_token"]
    assert answer.json["expires_in"] == 900
    assert answer.header("Cache-Control") == "no-store"
    return {"Authorization": f"Bearer {answer.json['token']}"}


def test_a_client_is_told_where_to_get_a_token_and_for_what(issuing):
    answer = issuing.request("GET", "/v2/private/a/manifests/v1")
    assert answer.header("WWW-Authenticate") == (
        'Bearer realm="http://registry.test/auth/token",service="holm",'
        'scope="repository:private/a:pull"'
    )
    answer = issuing.request("PUT", "/v2/private/a/manifests/v1", b"{")
    assert 'scope="repository:private/a:pull,push"' in answer.header("WWW-Authenticate")
    detail = answer.json["errors"][0]["detail"]
    assert [each["Action"] for each in detail] == ["pull", "push"]
    secure = issuing.request("GET", "/v2/", X_Forwarded_Proto="https", Host='evil"host')
    assert secure.status in (400, 401)


def test_a_token_is_good_for_what_it_was_asked_for_and_its_user_may(issuing):
    pull = token(issuing, "repository:private/a:pull", **basic("ci"))
    assert issuing.request("GET", "/v2/private/a/manifests/v1", **pull).status == 200
    assert issuing.request("GET", "/v2/", **pull).status == 200
    refused = issuing.request("PUT", "/v2/private/a/manifests/v2", A, **pull)
    assert refused.status == 401
    assert 'error="insufficient_scope"' in refused.header("WWW-Authenticate")
    push = token(
        issuing,
        "repository:private/a:pull,push%20repository:public/a:pull",
        "repository:private/a:delete",
        **basic("ci"),
    )
    assert issuing.request("PUT", "/v2/private/a/manifests/v2", A, **push).status == 201
    assert issuing.request("GET", "/v2/public/a/manifests/v1", **push).status == 200
    assert issuing.request("DELETE", "/v2/private/a/manifests/v2", **push).status == 403
    everything = token(issuing, "repository:private/a:*", **basic("admin"))
    assert issuing.request("DELETE", "/v2/private/a/manifests/v2", **everything).status == 202


def test_nobody_in_particular_gets_a_token_for_what_is_open(issuing):
    mine = token(issuing, "repository:public/a:pull,push")
    assert issuing.request("GET", "/v2/", **mine).status == 200
    assert issuing.request("GET", "/v2/public/a/manifests/v1", **mine).status == 200
    refused = issuing.request("GET", "/v2/private/a/manifests/v1", **mine)
    assert refused.status == 401
    assert 'error="insufficient_scope"' in refused.header("WWW-Authenticate")
    assert issuing.request("GET", "/v2/_catalog", **mine).json["repositories"] == ["public/a"]


def test_a_wrong_password_gets_no_token(issuing):
    answer = token(issuing, status=401, **basic("ci", "wrong"))
    assert answer.header("WWW-Authenticate") == 'Basic realm="Holm"'
    answer = issuing.request("GET", "/v2/", Authorization="Bearer made.up.token")
    assert 'error="invalid_token"' in answer.header("WWW-Authenticate")


def test_passwords_are_taken_beside_tokens(issuing):
    """For scripts: curl --user."""
    assert issuing.request("GET", "/v2/private/a/manifests/v1", **basic("reader")).status == 200
    assert issuing.request("PUT", "/v2/private/a/manifests/v1", A, **basic("reader")).status == 403


def test_scopes_that_mean_nothing_are_passed_over(issuing):
    for scope in ("", "x", "repository:", "repository:A:pull", "registry:catalog:*", "a:b:c:d"):
        token(issuing, scope, **basic("ci"))


def test_there_is_no_such_address_without_an_issuer(server):
    assert server.request("GET", "/auth/token").status == 404


def test_who_did_it_is_told_in_events(users, driver):
    from .test_events import Ear

    ear = Ear()
    server = serving(users, driver=driver)
    server.hang_up()
    guard = server.settings["guard"]
    server = Server(driver, settings={"guard": guard, "announcer": Announcer(ear)})
    server.request("GET", "/v2/private/a/manifests/v1", **basic("reader"))
    assert ear.heard[0]["actor"] == {"name": "reader"}
    server.request("GET", "/v2/public/a/manifests/v1")
    assert ear.heard[1]["actor"] == {}
    server.hang_up()


def test_a_password_that_was_right_for_a_file_that_has_changed_meanwhile_is_checked_again(
    server, users, monkeypatch
):
    checked = []
    real_check, real_current = users.check, users.current

    def check(*login):
        checked.append(login)
        # Another thread reads a file that was just written, in which the password is another.
        monkeypatch.setattr(users, "current", lambda: ("new",))
        monkeypatch.setattr(users, "version", ("new",))
        return real_check(*login) if len(checked) == 1 else False

    monkeypatch.setattr(users, "refresh", lambda: None)
    monkeypatch.setattr(users, "check", check)
    assert server.request("GET", "/v2/", **basic("reader")).status == 200
    assert server.request("GET", "/v2/", **basic("reader")).status == 401
    assert len(checked) == 2
    monkeypatch.setattr(users, "current", real_current)


class Slow:
    """Threads that take their time."""

    def __init__(self):
        self.waiting = []

    def run(self, *_):
        self.waiting.append(Deferred())
        return self.waiting[-1]


def test_whoever_guesses_fills_no_memory(users):
    slow = Slow()
    guard = guarding(users, Rules(), threads=slow)
    server = Server(settings={"guard": guard})
    connections = [server.connect() for _ in range(MAX_CHECKING)]
    for number, connection in enumerate(connections):
        connection.send(head("GET", "/v2/", basic("reader", str(number)), None))
    answer = server.request("GET", "/v2/", **basic("reader"))
    assert (answer.status, answer.codes) == (429, ["TOOMANYREQUESTS"])
    assert answer.header("Retry-After") == "1"
    connections[1].leave()
    answer = server.request("GET", "/v2/", **basic("reader"))
    assert answer.status == 429, "what nobody waits for is still to be checked"
    slow.waiting[0].callback(False)
    assert connections[0].answer().status == 401
    assert server.request("GET", "/v2/", Authorization="").status == 401
    for waiting in slow.waiting[1:]:
        waiting.callback(True)
    assert connections[2].answer().status == 200
    server.hang_up()


def test_the_audit_log_tells_who_did_what_and_who_was_kept_from_it(users, driver, tmp_path):
    path = tmp_path / "audit.jsonl"
    auditor = open_audit(str(path), NoThreads(), pulls=False)
    guard = guarding(users, audit=auditor)
    server = Server(driver, settings={"guard": guard, "announcer": Announcer(auditor)})
    server.request("GET", "/v2/public/a/manifests/v1")
    server.request("PUT", "/v2/private/a/manifests/v2", A, X_Request_Id="one", **basic("ci"))
    server.request("DELETE", "/v2/private/a/manifests/v2", **basic("ci"))
    server.request("GET", "/v2/private/a/manifests/v2")
    server.request("GET", "/v2/", **basic("ci", "wrong-secret"))
    os.rename(path, tmp_path / "old")
    auditor.reopen()
    server.request("DELETE", "/v2/private/a/manifests/v2", **basic("admin"))
    server.hang_up()
    text = (tmp_path / "old").read_text()
    assert "secret" not in text
    deeds = [json.loads(line) for line in text.splitlines()]
    assert [(each["user"], each["action"], each["outcome"]) for each in deeds] == [
        ("ci", "push", "done"),
        ("ci", "delete", "403"),
        ("", "pull", "401"),
        ("", "login", "401"),
    ]
    assert deeds[0]["repository"] == "private/a"
    assert (deeds[0]["tag"], deeds[0]["digest"]) == ("v2", str(DIGEST))
    assert deeds[0]["request_id"] == "one"
    assert deeds[0]["time"].endswith("Z")
    (deed,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert (deed["user"], deed["action"], deed["tag"]) == ("admin", "delete", "v2")
    auditor._log.file.close()


def test_the_audit_log_tells_of_pulls_if_it_is_to_and_a_full_disk_refuses_nothing(
    driver, tmp_path, monkeypatch
):
    auditor = open_audit(str(tmp_path / "audit"), NoThreads(), pulls=True)
    server = Server(driver, settings={"announcer": Announcer(auditor)})
    server.request("GET", "/v2/public/a/manifests/v1")
    assert json.loads((tmp_path / "audit").read_text())["action"] == "pull"

    def failing(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(auditor._log.file, "write", failing)
    assert server.request("DELETE", "/v2/public/a/manifests/v1").status == 202
    server.hang_up()
    auditor._log.file.close()


@given(st.binary(max_size=60))
def test_no_authorization_is_a_fault(users, value):
    server = serving(users, issuer=Issuer(b"k" * 32, "holm", 900.0))
    text = value.decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")
    for header in (text, f"Bearer {text}", f"Basic {base64.b64encode(value).decode()}"):
        answer = server.request("GET", "/v2/a/manifests/v1", Authorization=header)
        assert answer.status in (400, 401, 404), answer
    json.dumps(answer.body.decode())
    server.hang_up()


def test_a_token_buys_no_other_token(issuing):
    """It might be good for more."""
    mine = token(issuing, "repository:private/a:pull", **basic("ci"))
    answer = token(issuing, "repository:private/a:pull,push", status=401, **mine)
    assert answer.header("WWW-Authenticate") == 'Basic realm="Holm"'


@pytest.fixture
def robots(tmp_path):
    found = Robots(str(tmp_path / "robots"))
    scope = Scope((Pattern("private/*"),), frozenset({"pull", "push"}))
    found.key = found.create("robot", scope)
    found.named_as_a_user = found.create("admin", Scope((Pattern("x"),), frozenset({"pull"})))
    return found


@pytest.mark.parametrize("rules", [RULES, Rules()], ids=["rules", "none"])
def test_a_robot_may_do_what_its_key_says_and_what_all_may(users, driver, robots, rules):
    server = serving(users, rules, driver=driver, robots=robots)
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


def test_a_robot_with_a_users_name_is_not_that_user(users, driver, robots):
    server = serving(users, driver=driver, robots=robots)
    delete = ("DELETE", "/v2/private/a/manifests/v1")
    assert server.request(*delete, **basic("admin", robots.named_as_a_user)).status == 403
    assert server.request(*delete, **basic("admin")).status == 202
    server.hang_up()


def test_a_robots_token_ends_with_it(users, driver, robots):
    issuer = Issuer(b"k" * 32, "holm", 900.0)
    server = serving(users, issuer=issuer, driver=driver, robots=robots)
    scope = "repository:private/a:pull,push,delete"
    mine = token(server, scope, **basic("robot", robots.key))
    path = "/v2/private/a/manifests/v2"
    assert server.request("PUT", path, A, **mine).status == 201
    assert server.request("DELETE", path, **mine).status == 403
    robots.revoke("robot")
    assert server.request("GET", path, **mine).status == 401
    robots.create("robot", Scope((Pattern("*"),), frozenset(["pull", "push", "delete"])))
    assert server.request("GET", path, **mine).status == 401, "another of the same name"
    server.hang_up()


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Somebody else who gives out tokens."""
    found = TokenIssuer()
    found.path = tmp_path_factory.mktemp("trust") / "roots.pem"
    found.write_certificates(found.path)
    return found


def trusting(others, rules, driver, users=None):
    settings = TrustSettings(SERVICE, ISSUER, str(others.path), "", SIGNING_ALGORITHMS)
    bearer = Bearer(Trust(settings, print).verify, SERVICE, lambda request: REALM)
    return serving(users, rules, driver=driver, bearer=bearer)


def test_a_token_of_others_says_what_may_be_done(others, driver):
    server = trusting(others, Rules(), driver)

    def bearer(*access, **claims):
        return {"Authorization": f"Bearer {others.sign(access, **claims)}"}

    asked = server.request("PUT", "/v2/private/a/manifests/v2", A)
    assert (asked.status, asked.header("WWW-Authenticate")) == (
        401,
        f'Bearer realm="{REALM}",service="{SERVICE}",scope="repository:private/a:pull,push"',
    )
    assert server.request("GET", "/v2/").header("WWW-Authenticate").startswith("Bearer realm=")
    assert server.request("GET", "/v2/", **bearer()).status == 200
    nobody = bearer(grant("private/a", "pull"), sub="")
    assert server.request("GET", "/v2/private/a/manifests/v1", **nobody).status == 200
    push = bearer(grant("private/a", "pull", "push"))
    assert server.request("PUT", "/v2/private/a/manifests/v2", A, **push).status == 201
    refused = server.request("DELETE", "/v2/private/a/manifests/v2", **push)
    assert refused.status == 401
    assert 'scope="repository:private/a:delete",error="insufficient_scope"' in refused.header(
        "WWW-Authenticate"
    )
    listed = server.request("GET", "/v2/_catalog", **push)
    assert 'scope="registry:catalog:*",error="insufficient_scope"' in listed.header(
        "WWW-Authenticate"
    )
    everything = bearer(grant("catalog", "*", kind="registry"), grant("private/a", "pull"))
    answer = server.request("GET", "/v2/_catalog", **everything)
    assert answer.json["repositories"] == ["private/a", "public/a"]
    wrong = server.request("GET", "/v2/", Authorization="Bearer a.b.c")
    assert 'error="invalid_token"' in wrong.header("WWW-Authenticate")
    assert server.request("GET", "/auth/token").status == 404
    server.hang_up()


def test_rules_take_from_a_token_of_others_and_passwords_are_taken_beside_it(others, driver, users):
    server = trusting(others, RULES, driver, users)
    grants = [grant(name, "pull", "push", "delete") for name in ("private/a", "public/a")]
    login = {"Authorization": f"Bearer {others.sign(grants, sub='reader')}"}
    assert server.request("GET", "/v2/private/a/manifests/v1", **login).status == 200
    assert server.request("PUT", "/v2/private/a/manifests/v2", A, **login).status == 403
    assert server.request("PUT", "/v2/private/a/manifests/v2", A, **basic("ci")).status == 201
    server.hang_up()


def test_a_last_chunk_that_came_while_its_login_was_checked_is_not_left_out(users):
    """All of the body is there by then: that is not the same as that there is none."""
    slow = Slow()
    server = Server(settings={"guard": guarding(users, Rules(), threads=slow)})
    upload = server.registry.uploads.start("a")
    content = b"all of it"
    connection = server.connect()
    path = f"/v2/a/blobs/uploads/{upload}?digest={Digest.of(content)}"
    connection.send(head("PUT", path, basic("ci"), len(content)) + content)
    slow.waiting[0].callback(True)
    assert connection.answer().status == 201
    server.hang_up()
