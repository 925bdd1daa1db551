"""Tokens: given out by the registry itself, and by others."""

from __future__ import annotations

import bcrypt
import pytest

from holm_registry.api.bearer_scheme import BearerScheme
from holm_registry.auth.external_tokens import ExternalTokenSettings, ExternalTokenVerifier
from holm_registry.auth.htpasswd import HtpasswdFile
from holm_registry.auth.rules import RepositoryPattern, Rules, RuleScope
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.config.model import SIGNING_ALGORITHMS
from holm_registry.oci.digest import Digest

from ..tokens import ISSUER, REALM, SERVICE, ExternalIssuer, grant
from .certificates import certificate_for
from .logins import RULES, A, Slow, authorizing, basic, serving, token
from .wire import Server, head

BLOB = Digest.of(b"c")


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


def test_a_token_buys_no_other_token(issuing):
    """It might be good for more."""
    mine = token(issuing, "repository:private/a:pull", **basic("ci"))
    answer = token(issuing, "repository:private/a:pull,push", status=401, **mine)
    assert answer.header("WWW-Authenticate") == 'Basic realm="Holm"'


@pytest.fixture
def file(tmp_path):
    """A file of users that changes."""
    (tmp_path / "htpasswd").write_text(line("ci", b"one") + line("reader", b"reader"))
    return tmp_path / "htpasswd"


def line(name, password):
    return f"{name}:{bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()}\n"


@pytest.fixture
def changing(file, filled, robots):
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(HtpasswdFile(str(file), print), issuer=issuer, driver=filled, robots=robots)
    yield server
    server.hang_up()


PULL = ("GET", "/v2/private/a/manifests/v1")


@pytest.mark.parametrize(
    "text", ["", line("ci", b"two"), line("ci", b"one")], ids=["removed", "changed", "set anew"]
)
def test_a_token_ends_with_the_password_it_was_issued_for(changing, file, text):
    """A promise of docs/SECURITY.md."""
    mine = token(changing, "repository:private/a:pull", **basic("ci", "one"))
    other = token(changing, "repository:private/a:pull", **basic("reader"))
    assert changing.request(*PULL, **mine).status == 200
    file.write_text(text + file.read_text().splitlines(keepends=True)[1])
    answer = changing.request(*PULL, **mine)
    assert (answer.status, answer.codes) == (401, ["UNAUTHORIZED"])
    assert 'error="invalid_token"' in answer.header("WWW-Authenticate")
    assert changing.request(*PULL, **other).status == 200, "of a user whose line is as it was"


def test_a_token_is_not_issued_for_a_password_that_was_changed_while_it_was_checked(file):
    users = HtpasswdFile(str(file), print)
    slow = Slow()
    authorizer = authorizing(users, Rules(), TokenIssuer(b"k" * 32, "holm", 900.0), slow)
    server = Server(settings={"authorizer": authorizer})
    connection = server.connect()
    connection.send(head("GET", "/auth/token", basic("ci", "one"), None))
    (check,) = slow.waiting
    fingerprint = check.function()
    file.write_text(line("ci", b"two"))
    check.callback(fingerprint)
    login = {"Authorization": f"Bearer {connection.answer().json['token']}"}
    connection = server.connect()
    connection.send(head("GET", "/v2/", login, None))
    slow.waiting[-1].callback(slow.waiting[-1].function())
    assert connection.answer().status == 401
    server.hang_up()


def test_rules_hold_for_tokens_as_they_are_now_and_not_as_they_were(users, filled):
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    before = serving(users, RULES, issuer=issuer, driver=filled)
    mine = token(before, "repository:private/a:pull", **basic("reader"))
    after = serving(users, Rules([]), issuer=issuer, driver=filled)
    assert after.request(*PULL, **mine).status == 403
    without_users = serving(None, RULES, issuer=issuer, driver=filled)
    assert without_users.request(*PULL, **mine).status == 401
    for server in (before, after, without_users):
        server.hang_up()


def test_a_token_of_a_certificate_is_valid_with_that_certificate_alone(users, filled):
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(users, issuer=issuer, driver=filled)

    def ask(path, name, **headers):
        connection = server.connect()
        certificate = certificate_for(name) if name else None
        connection.transport.getPeerCertificate = lambda: certificate
        connection.send(head("GET", path, headers, None))
        return connection.answer()

    given = ask("/auth/token?scope=repository:private/a:pull", "ci")
    mine = {"Authorization": f"Bearer {given.json['token']}"}
    assert ask(PULL[1], "ci", **mine).status == 200
    assert ask(PULL[1], "", **mine).status == 401
    assert ask(PULL[1], "admin", **mine).status == 401
    server.hang_up()


def test_a_token_for_a_hundred_repositories_is_accepted(issuing):
    """The registry takes every token that it issues."""
    scopes = [f"repository:team/application-{number}:pull,push" for number in range(99)]
    many = token(issuing, *scopes, "repository:private/a:pull", **basic("ci"))
    assert issuing.request(*PULL, **many).status == 200
    long = [f"repository:{'a' * 200}-{number}:pull" for number in range(60)]
    many = token(issuing, *long, "repository:private/a:pull", **basic("ci"))
    assert issuing.request(*PULL, **many).status == 200, "what was asked for last fits"


def test_a_token_says_that_it_ends_with_its_robot(users, filled, robots):
    server = serving(
        users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0), driver=filled, robots=robots
    )
    key = robots.create("short", RuleScope((RepositoryPattern("*"),), frozenset({"pull"})), 100.0)
    answer = server.request("GET", "/auth/token", **basic("short", key))
    assert 0 < answer.json["expires_in"] <= 100
    assert (
        server.request("GET", "/auth/token", **basic("robot", robots.key)).json["expires_in"] == 900
    )
    server.hang_up()


def test_a_challenge_for_a_mount_asks_for_the_source_as_well(issuing):
    """Docker and containerd ask once, for what they were told."""

    def challenge(query):
        answer = issuing.request("POST", f"/v2/public/b/blobs/uploads/?{query}", b"")
        assert answer.status == 401
        return answer.header("WWW-Authenticate").partition("scope=")[2]

    pushing = "repository:public/b:pull,push"
    source = "repository:private/a:pull"
    assert challenge(f"mount={BLOB}&from=private/a") == f'"{pushing} {source}"'
    assert challenge(f"from=private/a&mount={BLOB}") == f'"{pushing} {source}"'
    for query in (
        f"mount={BLOB}",
        "from=private/a",
        f'mount={BLOB}&from=a"b',
        f"mount={BLOB}&from=",
    ):
        assert challenge(query) == f'"{pushing}"'
    both = token(issuing, pushing, source, **basic("ci"))
    mounting = f"/v2/public/b/blobs/uploads/?mount={BLOB}&from=private/a"
    assert issuing.request("POST", mounting, b"", **both).status == 201
    one = token(issuing, pushing, **basic("ci"))
    assert issuing.request("POST", mounting, b"", **one).status == 202, "then it is uploaded"


def test_a_robots_token_ends_with_it(users, filled, robots):
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(users, issuer=issuer, driver=filled, robots=robots)
    scope = "repository:private/a:pull,push,delete"
    mine = token(server, scope, **basic("robot", robots.key))
    path = "/v2/private/a/manifests/v2"
    assert server.request("PUT", path, A, **mine).status == 201
    assert server.request("DELETE", path, **mine).status == 403
    robots.revoke("robot")
    assert server.request("GET", path, **mine).status == 401
    robots.create(
        "robot", RuleScope((RepositoryPattern("*"),), frozenset(["pull", "push", "delete"]))
    )
    assert server.request("GET", path, **mine).status == 401, "another of the same name"
    server.hang_up()


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Somebody else who gives out tokens."""
    found = ExternalIssuer()
    found.path = tmp_path_factory.mktemp("trust") / "roots.pem"
    found.write_certificates(found.path)
    return found


def trusting(others, rules, filled, users=None):
    settings = ExternalTokenSettings(SERVICE, ISSUER, str(others.path), "", SIGNING_ALGORITHMS)
    bearer = BearerScheme(
        ExternalTokenVerifier(settings, print).verify, SERVICE, lambda request: REALM
    )
    return serving(users, rules, driver=filled, bearer=bearer)


def test_a_token_of_others_says_what_may_be_done(others, filled):
    server = trusting(others, Rules(), filled)

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


def test_rules_take_from_a_token_of_others_and_passwords_are_taken_beside_it(others, filled, users):
    server = trusting(others, RULES, filled, users)
    grants = [grant(name, "pull", "push", "delete") for name in ("private/a", "public/a")]
    login = {"Authorization": f"Bearer {others.sign(grants, sub='reader')}"}
    assert server.request("GET", "/v2/private/a/manifests/v1", **login).status == 200
    assert server.request("PUT", "/v2/private/a/manifests/v2", A, **login).status == 403
    assert server.request("PUT", "/v2/private/a/manifests/v2", A, **basic("ci")).status == 201
    server.hang_up()


def test_there_is_no_such_address_without_an_issuer(users, filled):
    server = serving(users, driver=filled)
    assert server.request("GET", "/auth/token").status == 404
    server.hang_up()


def test_a_robot_is_looked_up_no_more_often_for_many_scopes(users, filled, robots, monkeypatch):
    server = serving(
        users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0), driver=filled, robots=robots
    )
    found, get = [], robots.get
    monkeypatch.setattr(robots, "get", lambda name: (found.append(name), get(name))[1])

    def looks(count):
        found.clear()
        scopes = [f"repository:private/{number}:pull,push" for number in range(count)]
        token(server, *scopes, **basic("robot", robots.key))
        return len(found)

    assert 0 < looks(300) == looks(1)
