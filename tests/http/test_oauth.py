"""Tokens for a form, as OAuth 2 has it."""

from __future__ import annotations

from urllib.parse import urlencode

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.api.oauth import MAX_FORM_BYTES
from holm_registry.auth.htpasswd import HtpasswdFile
from holm_registry.auth.rules import Rules
from holm_registry.auth.tokens import TokenIssuer

from .logins import Slow, authorizing, basic, serving
from .wire import Server, head

FORM = "application/x-www-form-urlencoded"
PASSWORD = {
    "grant_type": "password",
    "service": "holm",
    "client_id": "containerd-client",
    "username": "ci",
    "password": "ci",
}


def post(server, fields, content_type=FORM, **headers):
    body = fields if isinstance(fields, bytes) else urlencode(fields, doseq=True).encode()
    return server.request("POST", "/auth/token", body, Content_Type=content_type, **headers)


def test_a_form_with_a_password_gets_a_token(issuing):
    scope = "repository:private/a:pull,push repository:public/a:delete registry:catalog:*"
    answer = post(issuing, {**PASSWORD, "scope": scope, "access_type": "offline"})
    assert answer.status == 200
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Pragma") == "no-cache"
    found = answer.json
    assert found["token"] == found["access_token"]
    assert found["expires_in"] == 900
    assert found["issued_at"].endswith("Z")
    assert found["scope"] == "repository:private/a:pull,push registry:catalog:*"
    assert "refresh_token" not in found, "none are issued"
    login = {"Authorization": f"Bearer {found['token']}"}
    assert issuing.request("GET", "/v2/private/a/manifests/v1", **login).status == 200
    assert issuing.request("GET", "/v2/_catalog", **login).status == 200


def test_a_robots_key_is_a_password_too(users, filled, robots):
    server = serving(
        users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0), driver=filled, robots=robots
    )
    fields = {**PASSWORD, "username": "robot", "password": robots.key}
    answer = post(server, {**fields, "scope": "repository:private/a:pull,delete"})
    assert answer.json["scope"] == "repository:private/a:pull"
    server.hang_up()


@pytest.mark.parametrize("password", ["pässwörd", "a&b=c+d%20e f", "😀", "a" * 72])
def test_a_password_may_hold_any_characters(filled, tmp_path, password):
    name, path = "zoë", tmp_path / "htpasswd"
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    path.write_text(f"{name}:{hashed}\n")
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(HtpasswdFile(str(path), print), issuer=issuer, driver=filled)
    fields = {**PASSWORD, "username": name, "password": password}
    login = {"Authorization": f"Bearer {post(server, fields).json['token']}"}
    assert server.request("GET", "/v2/", **login).status == 200
    server.hang_up()


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"password": "wrong"}, 400, "invalid_grant"),
        ({"username": "nobody"}, 400, "invalid_grant"),
        ({"username": "\udcff"}, 400, "invalid_grant"),
        ({"password": ""}, 400, "invalid_request"),
        ({"username": ["ci", "admin"]}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"scope": "x" * MAX_FORM_BYTES}, 413, "invalid_request"),
        ({"x": ["1"] * 2000}, 400, "invalid_request"),
    ],
)
def test_errors_are_in_the_words_of_oauth(issuing, changed, status, error):
    fields = urlencode({**PASSWORD, **changed}, doseq=True, errors="surrogateescape").encode()
    answer = post(issuing, fields)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert set(answer.json) == {"error", "error_description"}
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("WWW-Authenticate") is None


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data; boundary=x", "\xe9"]
)
def test_what_is_no_form_is_refused(issuing, kind):
    answer = post(issuing, b'{"grant_type":"password"}', kind)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_the_login_is_that_of_the_form_alone(issuing):
    answer = post(issuing, {**PASSWORD, "scope": "repository:private/a:delete"}, **basic("admin"))
    assert answer.json["scope"] == ""
    assert post(issuing, {**PASSWORD, "password": "x"}, **basic("admin")).status == 400


def test_too_many_logins_at_once_are_told_to_come_back(users):
    slow = Slow()
    authorizer = authorizing(users, Rules(), TokenIssuer(b"k" * 32, "holm", 900.0), slow)
    server = Server(settings={"authorizer": authorizer})
    for number in range(100):
        connection = server.connect()
        connection.send(head("GET", "/v2/", basic("ci", str(number)), None))
    answer = post(server, PASSWORD)
    assert (answer.status, answer.json["error"]) == (429, "temporarily_unavailable")
    assert answer.header("Retry-After") == "1"
    server.hang_up()


@given(st.binary(max_size=200))
def test_no_form_is_a_fault(users, body):
    server = serving(users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0))
    assert post(server, body).status == 400
    assert post(server, urlencode(PASSWORD).encode() + b"&" + body).status in (200, 400)
    server.hang_up()
