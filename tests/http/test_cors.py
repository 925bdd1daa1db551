"""What a browser is told about answers that a page of another site asked for."""

from __future__ import annotations

import pytest

from holm_registry.config.load import load
from holm_registry.http.cors import parse_origins

from .wire import Server

A, B = "https://a.example", "http://localhost:8080"
ORIGIN = "Access-Control-Allow-Origin"
CREDENTIALS = "Access-Control-Allow-Credentials"

REQUESTS = [
    ("GET", "/v2/", 200),
    ("GET", "/v2/a/tags/list", 200),
    ("GET", "/v2/a/manifests/v1", 200),
    ("HEAD", "/v2/a/manifests/v1", 200),
    ("GET", "/v2/a/manifests/none", 404),
    ("GET", "/nowhere", 404),
    ("GET", "/v2/a%2fb/tags/list", 400),
    ("BREW", "/v2/", 405),
    ("OPTIONS", "/v2/a/manifests/v1", 200),
    ("DELETE", "/v2/a/manifests/v1", 202),
]


def serving(origins, **more):
    headers = {ORIGIN: origins, **{name.replace("_", "-"): each for name, each in more.items()}}
    server = Server(headers=headers)
    server.push_image("a", "v1", b"c", [b"l"])
    return server


def asked(server, method, path, origin):
    return server.request(method, path, **({} if origin is None else {"Origin": origin}))


@pytest.mark.parametrize(("method", "path", "status"), REQUESTS)
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(A, A), (B, B), ("HTTPS://A.example", A), ("https://evil.example", None), (None, None)],
)
def test_of_several_origins_the_one_that_asks_is_named(method, path, status, origin, allowed):
    server = serving([A, B], Access_Control_Allow_Credentials=["true"])
    answer = asked(server, method, path, origin)
    assert answer.status == status
    assert answer.header(ORIGIN) == allowed
    assert answer.header(CREDENTIALS) == (allowed and "true")
    assert "Origin" in answer.header("Vary").split(", "), "also for those who may not read it"
    server.hang_up()


@pytest.mark.parametrize("origin", [A, "https://evil.example", None])
@pytest.mark.parametrize(("method", "path", "status"), REQUESTS)
def test_any_origin_is_never_allowed_a_login(method, path, status, origin):
    server = serving(["*"], Access_Control_Allow_Credentials=["true"])
    answer = asked(server, method, path, origin)
    assert (answer.header(ORIGIN), answer.header(CREDENTIALS)) == ("*", None)
    assert "Origin" not in (answer.header("Vary") or "")
    server.hang_up()


def test_any_origin_beside_some_by_their_names():
    server = serving(["*", A], Access_Control_Allow_Credentials=["true"])
    named, other = (asked(server, "GET", "/v2/", each) for each in (A, B))
    assert (named.header(ORIGIN), named.header(CREDENTIALS)) == (A, "true")
    assert (other.header(ORIGIN), other.header(CREDENTIALS)) == ("*", None)
    assert named.header("Vary") == other.header("Vary") == "Origin"
    server.hang_up()


@pytest.mark.parametrize("credentials", [["true"], ["false"], []])
def test_one_origin_is_named_to_all_as_in_registry_2(credentials):
    server = serving([A], Access_Control_Allow_Credentials=credentials)
    answer = asked(server, "GET", "/v2/", B)
    assert answer.header(ORIGIN) == A
    assert answer.header(CREDENTIALS) == ("true" if credentials == ["true"] else None)
    server.hang_up()


def test_what_else_an_answer_varies_with_stays():
    server = serving([A, B], Vary=["Cookie"])
    for path in ("/v2/", "/v2/a/manifests/v1", "/v2/a/manifests/none"):
        (vary,) = asked(server, "GET", path, A).headers.getRawHeaders("Vary")
        assert vary.startswith("Cookie, Origin")
    server.hang_up()


def test_lists_are_one_line_each():
    server = serving(["*"], Access_Control_Expose_Headers=["Link", "ETag"], X_Own=["1", "2"])
    answer = asked(server, "GET", "/v2/", A)
    assert answer.header("Access-Control-Expose-Headers") == "Link, ETag"
    assert answer.headers.getRawHeaders("X-Own") == ["1", "2"]
    server.hang_up()


def test_nothing_is_said_where_it_is_left_out():
    server = serving([])
    assert asked(server, "GET", "/v2/", A).header(ORIGIN) is None
    server.hang_up()


@pytest.mark.parametrize(
    "values", [[A, B], [f"{A}, {B}"], [f"{A} {B}"], [f"{A}/", B.upper()], [A, B, A]]
)
def test_origins_are_read_as_they_are_written(values):
    assert parse_origins(values) == [A, B]


@pytest.mark.parametrize(
    ("headers", "warnings"),
    [
        ({}, []),
        ({ORIGIN: [A, B], CREDENTIALS: ["true"]}, []),
        ({CREDENTIALS: ["true"]}, [f"{CREDENTIALS} is ignored for *"]),
        ({ORIGIN: ["a.example"]}, ["'a.example' is not an origin"]),
        ({ORIGIN: ["https://*.a.example", f"{A}/path"]}, ["'https://*.a.example'", f"'{A}/path'"]),
    ],
)
def test_what_no_browser_takes_is_warned_of(headers, warnings):
    environ = {f"REGISTRY_HTTP_HEADERS_{name}": f"{value}" for name, value in headers.items()}
    loaded = load(None, environ)
    loaded.require()
    assert len(loaded.layers.warnings) == len(warnings)
    for warning, said in zip(loaded.layers.warnings, warnings, strict=True):
        assert said.lower() in warning.lower()
