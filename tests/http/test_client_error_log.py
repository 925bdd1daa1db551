"""The log of refused requests."""

from __future__ import annotations

import base64

import pytest
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from holm_registry.auth.tokens import TokenIssuer
from holm_registry.http.client_error_log import MAX_LINES, PERIOD_SECONDS

from .logins import basic, serving
from .wire import Server


@pytest.fixture
def log():
    """What is logged of refusals: level and text."""
    events = []

    def observe(event):
        if event["log_namespace"] == "holm_registry.http.client_error_log":
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


def lines(log):
    return [(event["log_level"], formatEvent(event)) for event in log]


def test_a_refused_write_leaves_its_reason_at_info_and_a_read_at_debug(memory, log):
    memory.request("PUT", "/v2/a/manifests/v1", b"[]", X_Request_Id="one")
    memory.request("GET", "/v2/a/manifests/v1", X_Request_Id="two")
    memory.request("GET", "/v2/", X_Request_Id="three")
    (wrote, text), (read, other) = lines(log)
    assert (wrote, read) == (LogLevel.info, LogLevel.debug)
    assert text.startswith("refused: PUT /v2/a/manifests/v1: 400 MANIFEST_INVALID: ")
    assert "request one" in text
    assert other.startswith("refused: GET /v2/a/manifests/v1: 404 MANIFEST_UNKNOWN: ")
    assert "request two" in other
    assert log[0]["request_id"] == "one"


def test_details_and_each_of_several_errors_are_named(memory, log):
    from ..images import image

    memory.request("PUT", "/v2/a/manifests/v1", image(b"config", [b"layer"]))
    ((_, text),) = lines(log)
    assert text.count("MANIFEST_BLOB_UNKNOWN: ") == 2
    assert text.count('"digest":"sha256:') == 2


def test_every_kind_of_refusal_is_logged(users, filled, log):
    server = serving(users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0), driver=filled)
    for method, path, body in [
        ("POST", "/v2/private/a/blobs/uploads/", b""),
        ("PATCH", "/v2/", b""),
        ("PUT", "/v2/nowhere", b""),
        ("PUT", "/v2/a%2fb/manifests/v1", b""),
        ("POST", "/auth/token", b""),
    ]:
        answer = server.request(method, path, body)
        assert f": {answer.status} " in lines(log)[-1][1], path
    server.request("DELETE", "/v2/private/a/manifests/v1", **basic("reader"))
    assert "403 DENIED" in lines(log)[-1][1]
    assert "user reader" in lines(log)[-1][1]
    assert len(log) == 6
    server.hang_up()


def test_no_login_is_ever_in_the_log(users, filled, log):
    server = serving(users, issuer=TokenIssuer(b"k" * 32, "holm", 900.0), driver=filled)
    secret = "correct-horse"
    form = f"grant_type=password&username=ci&password={secret}".encode()
    kind = "application/x-www-form-urlencoded"
    server.request("POST", "/auth/token", form, Content_Type=kind)
    server.request("POST", f"/auth/token?password={secret}", b"", Content_Type=kind)
    server.request("PUT", "/v2/a/manifests/v1", b"", **basic("ci", secret))
    server.request("PUT", "/v2/a/manifests/v1", b"", Authorization=f"Bearer {secret}")
    server.request("PUT", "/v2/a/manifests/v1", b"", Authorization=secret)
    server.request("DELETE", f"/v2/a/blobs/x?access_token={secret}")
    text = repr(log)
    assert len(log) == 6
    assert secret not in text
    assert base64.b64encode(f"ci:{secret}".encode()).decode() not in text
    server.hang_up()


def test_what_a_client_chose_makes_no_line_of_its_own(memory, log):
    memory.request("PUT", "/v2/a/manifests/v1", b"{", Content_Range="a")
    connection = memory.connect()
    connection.send(b"P\x1b[31mUT /v2/%0aa/\xe2\x80\xa8 HTTP/1.1\r\nHost: a\r\n\r\n")
    memory.request("PUT", "/v2/a/manifests/v1?tag=%0Ax{y}", b"{}")
    assert len(log) >= 2
    for _, text in lines(log):
        assert text.isprintable()


@pytest.mark.parametrize(
    ("head", "level", "expected"),
    [
        (b"PUT /v2/a HTTP/1.1\r\nHost: a\r\nX: %b\r\n" % (b"a" * 50_000), "info", "PUT /v2/a: 431"),
        (b"PUT /v2/a?x HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "info", "PUT /: 400"),
        (b"POST /v2/a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n", "info", "POST /v2/a: 400"),
        (b"GET /v2/a HTTP/1.1\r\nX-Request-Id: one\r\n", "debug", "GET /: 400"),
        (b"GET /%b HTTP/1.1\r\n" % (b"a" * 50_000), "debug", "414 "),
        (b"nonsense\r\n", "debug", ": 400"),
    ],
)
def test_what_is_refused_before_any_route_sees_it_is_logged_too(memory, log, head, level, expected):
    connection = memory.connect()
    connection.send(head + b"\r\n")
    ((found, text),) = lines(log)
    assert (found.name, expected in text) == (level, True), text
    assert len(text) < 1200


def test_the_rate_is_bounded_and_what_is_left_out_is_counted(log):
    server = Server()
    for _ in range(MAX_LINES + 50):
        server.request("PUT", "/v2/a/manifests/v1", b"")
    server.request("GET", "/v2/a/manifests/v1")
    assert len(log) == MAX_LINES + 1, "reads have lines of their own"
    server.clock.advance(PERIOD_SECONDS)
    assert lines(log)[-1] == (LogLevel.info, "50 more refused requests were not logged")
    server.request("PUT", "/v2/a/manifests/v1", b"")
    assert "MANIFEST_INVALID" in lines(log)[-1][1]
    server.clock.advance(PERIOD_SECONDS)
    assert len(log) == MAX_LINES + 3
    server.hang_up()


def test_what_succeeds_and_what_is_our_fault_is_not_logged_here(memory, log):
    memory.push_blob("a", b"x")
    memory.settings.clear()
    assert memory.request("GET", "/v2/").status == 200
    assert log == []
