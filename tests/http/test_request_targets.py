"""The first line of a request, its ``Host``, and what it says of its connection."""

from __future__ import annotations

import pytest

from holm_registry.api.locations import Locations
from holm_registry.oci.digest import Digest

from .wire import Server

CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)


def send(server, line, *headers, body=b""):
    """Send a request as it stands; give the connection."""
    connection = server.connect()
    connection.send("\r\n".join([line, *headers, "", ""]).encode("latin-1") + body)
    return connection


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://registry.test/v2/", 200),
        ("HTTP://registry.test:5000/v2/_catalog?n=1", 200),
        ("https://[::1]:5000/v2/", 200),
        ("http://other.test/v2/a/tags/list", 404),
        ("http://registry.test", 200),
        ("http://registry.test?x=/v2/nope", 200),
        ("http://registry.test/v2/_catalog?n=http://x/", 400),
    ],
)
def test_a_proxys_form_of_address_is_the_path_at_that_host(memory, target, status):
    for version in ("HTTP/1.0", "HTTP/1.1"):
        answer = send(memory, f"GET {target} {version}", "Host: registry.test").answer()
        assert answer.status == status


def test_so_it_is_for_a_request_with_a_body(memory):
    target = f"http://registry.test/v2/a/blobs/uploads/?digest={DIGEST}"
    for headers, body in [
        (["Content-Length: 10"], CONTENT),
        (["Transfer-Encoding: chunked"], b"a\r\n0123456789\r\n0\r\n\r\n"),
    ]:
        answer = send(memory, f"POST {target} HTTP/1.1", "Host: x", *headers, body=body).answer()
        assert (answer.status, answer.header("Docker-Content-Digest")) == (201, str(DIGEST))


def test_the_host_of_the_target_is_the_one_that_counts():
    server, called = Server(), []

    class Watcher:
        def request_began(self, request):
            called.append(Locations().origin(request))

        def ended(self, request):
            pass

    server.site.observer = Watcher()
    send(server, "GET http://outer.test:81/v2/ HTTP/1.1", "Host: inner.test")
    assert called == ["http://outer.test:81"]


@pytest.mark.parametrize(
    "target",
    [
        *("v2/", "registry.test:5000", "ftp://registry.test/v2/", "http:///v2/", "http://:80/v2/"),
        *("http://user@registry.test/v2/", "http://registry.test:x/v2/", "*", "http:/v2/"),
        *("http://[::1/v2/", "http://registry.test/v2/#x", "mailto:x", "?x=/v2/"),
    ],
)
@pytest.mark.parametrize("body", [False, True])
def test_a_target_of_no_form_is_a_clean_error(memory, target, body):
    method, headers = ("PUT", ["Content-Length: 10"]) if body else ("GET", [])
    connection = send(memory, f"{method} {target} HTTP/1.1", "Host: x", *headers)
    answer = connection.answer()
    assert (answer.status, answer.codes) == (400, ["UNKNOWN"])
    assert answer.header("Connection") == "close"
    assert connection.transport.connected is body, "what is still being sent is let come"


def test_a_tunnel_is_not_offered(memory):
    answer = send(memory, "CONNECT other.test:443 HTTP/1.1", "Host: other.test:443").answer()
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["get", "Head", "oPTIONS", "delete", "put", "patcH"])
def test_methods_are_told_apart_by_case(memory, method):
    headers = [] if method in ("get", "Head", "oPTIONS", "delete") else ["Content-Length: 0"]
    connection = send(memory, f"{method} /v2/a/manifests/v1 HTTP/1.1", "Host: x", *headers)
    answer = connection.answer()
    assert (answer.status, answer.codes) == (501, ["UNSUPPORTED"])


@pytest.mark.parametrize("target", ["*", "http://registry.test"])
def test_what_the_server_as_a_whole_can_do_is_told(memory, target):
    connection = send(memory, f"OPTIONS {target} HTTP/1.1", "Host: registry.test")
    answer = connection.answer()
    assert (answer.status, answer.header("Content-Length")) == (200, "0")
    assert connection.transport.connected


@pytest.mark.parametrize(
    "host",
    [
        *("registry.test", "registry.test:5000", "localhost", "127.0.0.1:5000", "[::1]", "[::1]:5"),
        *(
            "my_registry:5000",
            "xn--n3h.test",
            "registry.test.",
            "registry.test:",
            "",
            "[fe80::1%25e]",
        ),
    ],
)
def test_a_host_is_taken(memory, host):
    assert send(memory, "GET /v2/ HTTP/1.1", f"Host: {host}").answer().status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Host: a", "Host: a"],
        ["Host: a", "host: b"],
        *([f"Host: {each}"] for each in ("a b", "a/b", "http://a", "u@a", "a:b", "a:1:2", "[::1")),
        *([f"Host: {each}"] for each in ("\xe4", "a,b c", "a\\b", "a?b", "a%zz", "<a>", '"a"')),
    ],
)
@pytest.mark.parametrize("target", ["/v2/", "http://registry.test/v2/"])
def test_no_host_or_two_or_none_that_can_be_is_a_clean_error(memory, target, headers):
    connection = send(memory, f"GET {target} HTTP/1.1", *headers)
    answer = connection.answer()
    assert (answer.status, answer.codes) == (400, ["UNKNOWN"])
    assert "ost" in answer.json["errors"][0]["message"]
    assert not connection.transport.connected


def test_before_http_1_1_there_need_be_no_host(memory):
    assert send(memory, "GET /v2/ HTTP/1.0").answer().status == 200
    assert send(memory, "GET /v2/ HTTP/1.0", "Host: a", "Host: b").answer().status == 400


def test_a_request_for_the_wrong_host_takes_nothing_in(memory):
    path = f"/v2/a/blobs/uploads/?digest={DIGEST}"
    send(memory, f"POST {path} HTTP/1.1", "Content-Length: 10", body=CONTENT)
    assert memory.request("GET", f"/v2/a/blobs/{DIGEST}").status == 404


@pytest.mark.parametrize(
    ("version", "expect", "continues"),
    [
        ("HTTP/1.1", "100-continue", True),
        ("HTTP/1.1", "100-Continue", True),
        ("HTTP/1.1", "x, 100-continue", True),
        ("HTTP/1.1", "x", False),
        ("HTTP/1.1", "", False),
        ("HTTP/1.0", "100-continue", False),
    ],
)
def test_a_client_is_told_to_go_on_if_it_can_understand(memory, version, expect, continues):
    upload = memory.start_upload("a")
    headers = ["Host: a", f"Expect: {expect}", "Content-Length: 10"]
    connection = send(memory, f"PATCH {upload} {version}", *headers)
    assert connection.received().startswith(b"HTTP/1.1 100 ") is continues
    connection.send(CONTENT)
    assert connection.answer().status == 202


def test_a_request_without_a_body_is_not_told_to_go_on(memory):
    answer = send(memory, "GET /v2/ HTTP/1.1", "Host: a", "Expect: 100-continue").answer()
    assert answer.status == 200


@pytest.mark.parametrize(
    ("lines", "closes"),
    [
        (["Connection: close"], True),
        (["Connection: Close"], True),
        (["Connection: keep-alive, close"], True),
        (["Connection: close, TE", "TE: trailers"], True),
        (["Connection: keep-alive", "Connection: close"], True),
        (["Connection: keep-alive"], False),
        (["Connection: closed"], False),
        (["Connection: "], False),
        (["Connection: Upgrade", "Upgrade: h2c"], False),
    ],
)
@pytest.mark.parametrize("body", [False, True])
def test_a_connection_ends_where_its_client_says_so(memory, lines, closes, body):
    line, sent, length = "GET /v2/ HTTP/1.1", b"", []
    if body:
        line, sent = f"POST /v2/a/blobs/uploads/?digest={DIGEST} HTTP/1.1", CONTENT
        length = ["Content-Length: 10"]
    connection = send(memory, line, "Host: a", *lines, *length, body=sent)
    answer = connection.answer()
    assert answer.status in (200, 201)
    assert (answer.header("Connection") == "close") is closes
    assert connection.transport.connected is not closes


def test_a_fault_outside_of_every_route_is_json_too(memory, logged_failures, monkeypatch):
    monkeypatch.setattr(memory.site.rate_limiter, "admit", lambda _: 1 / 0)
    answer = memory.request("GET", "/v2/")
    assert (answer.status, answer.codes) == (500, ["UNKNOWN"])
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()
