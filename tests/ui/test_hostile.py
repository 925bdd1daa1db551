"""A registry that sends anything: bounded time and memory, and no login sent elsewhere."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from itertools import chain, repeat

import pytest

from holm_registry.oci.digest import Digest
from holm_registry.ui.client import client
from holm_registry.ui.client.bounded_connections import MAX_HEAD_BYTES
from holm_registry.ui.client.client import MAX_NAMES
from holm_registry.ui.client.links import (
    MAX_LINK_CHARACTERS,
    following,
    next_link,
    resolve,
    same_origin,
)
from holm_registry.ui.errors import RegistryRefused
from holm_registry.ui.model.documents import DocumentInvalid, pretty, read

from .raw import HANG_UP, PIECE, fetch, response, ui_of

LOGIN = "Basic YWRhOmxvdmVsYWNl"
DIGEST = "sha256:" + "1" * 64
HOME = "registry.test:5000"

PAGES = [
    "/",
    "/repo/app",
    "/image/app:v1",
    f"/image/app@{DIGEST}",
    "/raw/app:v1",
    "/compare?a=app:v1&b=app:v2",
    "/delete?repo=app&tag=v1",
    "/search?q=app",
    "/api/repos",
    "/api/tags/app",
    "/health?deep=1",
]


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def dripping_head():
    return chain([b"HTTP/1.1 200 OK\r\nX-A: a\r\n"], repeat(b" folded\r\n" * (PIECE // 9)))


def many_headers():
    return chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"X-Some: thing\r\n" * (PIECE // 15)))


def tiny_chunks():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return chain([head], repeat(b"1\r\n \r\n" * (PIECE // 6)))


def big(field: str, value: bytes) -> bytes:
    return b'{"schemaVersion":2,"' + field.encode() + b'":' + value + b"}"


#: What a registry answers to everything.
ANSWERS = {
    "folded headers": dripping_head,
    "headers without end": many_headers,
    "one header without end": lambda: chain([b"HTTP/1.1 200 OK\r\nX: "], repeat(b"a" * PIECE)),
    "a status line without end": lambda: repeat(b"a" * PIECE),
    "interim answers without end": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 2600),
    "chunks of one byte": tiny_chunks,
    "a body without end": lambda: chain([b"HTTP/1.1 200 OK\r\n\r\n"], repeat(b"[" * PIECE)),
    "no HTTP": lambda: [b"\x16\x03\x01\x00\xff" * 100, HANG_UP],
    "nothing": lambda: [HANG_UP],
    "half a head": lambda: [b"HTTP/1.1 200 OK\r\nContent-Le", HANG_UP],
    "half a body": lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", HANG_UP],
    "a status that is no number": lambda: [b"HTTP/1.1 abc X\r\n\r\n", HANG_UP],
    "a status of 5,000 digits": lambda: [b"HTTP/1.1 " + b"9" * 5000 + b" X\r\n\r\n", HANG_UP],
    "a length of 5,000 digits": lambda: [
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        HANG_UP,
    ],
    "a length below zero": lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", HANG_UP],
    "two lengths": lambda: [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        HANG_UP,
    ],
    "an unknown encoding": lambda: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: odd\r\n\r\n", HANG_UP],
    "a header without a colon": lambda: [b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", HANG_UP],
    "a folded first line": lambda: [b"HTTP/1.1 200 OK\r\n folded\r\n\r\n", HANG_UP],
    "deep arrays": lambda: [response(200, deep(100_000))],
    "a deep field": lambda: [response(200, big("x", deep(100_000)))],
    "deep tags": lambda: [response(200, big("tags", deep(100_000)))],
    "deep errors": lambda: [response(500, big("errors", deep(20_000)))],
    "a huge number": lambda: [response(200, big("tags", b"9" * 100_000))],
    "no UTF-8": lambda: [response(200, b"\xff\xfe")],
    "millions of names": lambda: [response(200, big("tags", b'["a"' + b',"a"' * 2_000_000 + b"]"))],
    "a redirect to itself": lambda: [response(307, b"", "Location: ?again")],
    "a redirect to nowhere": lambda: [response(302)],
    "a redirect to no address": lambda: [response(302, b"", "Location: http://[/")],
    "a redirect to a file": lambda: [response(302, b"", "Location: file:///etc/passwd")],
    "a redirect with a login": lambda: [response(302, b"", f"Location: http://a:b@{HOME}/x")],
    "a redirect to another host": lambda: [response(302, b"", "Location: http://evil.test/v2/")],
    "a redirect to another port": lambda: [
        response(302, b"", "Location: http://registry.test:80/v2/")
    ],
    "a redirect to another scheme": lambda: [response(301, b"", f"Location: https://{HOME}/v2/")],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_any_bytes_is_the_registrys_fault(name):
    """The autouse fixture fails this if anything is logged as a failure of ours."""
    ui, registry = ui_of(lambda method, target, host: ANSWERS[name]())
    for page in PAGES:
        sent_before = registry.sent_bytes
        found = fetch(ui, f"GET {page} HTTP/1.1\r\nHost: ui.test\r\n\r\n".encode())
        # What /v2/ answers with means nothing, and a manifest that makes no sense is shown.
        shows = page.startswith(("/health", "/image/app:", "/raw/", "/compare"))
        fine = (200,) if shows else ()
        assert found.status in (502, 503, 504, *fine), (page, found.status, found.body[-2000:])
        assert registry.sent_bytes - sent_before < 32 * 1024 * 1024, page


@pytest.mark.parametrize("name", ["folded headers", "headers without end", "chunks of one byte"])
def test_what_is_not_content_is_not_read_for_long(name):
    ui, registry = ui_of(lambda method, target, host: ANSWERS[name]())
    fetch(ui, b"GET /api/repos HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    assert registry.sent_bytes <= MAX_HEAD_BYTES + 3 * PIECE


@pytest.mark.parametrize("name", ["folded headers", "millions of names", "a body without end"])
def test_an_answer_costs_no_more_memory_than_it_may(name):
    ui, _ = ui_of(lambda method, target, host: ANSWERS[name]())
    tracemalloc.start()
    try:
        fetch(ui, b"GET /api/tags/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 48 * 1024 * 1024


#: Links that lead on for ever, and what the next page is called.
ENDLESS = {
    "each page as the one before": lambda number: ["a"],
    "each page empty": lambda number: [],
    "a name a page": lambda number: [f"a{number}"],
    "what is no name": lambda number: [f"-{number}"],
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("page", ["/api/repos", "/api/tags/app"])
def test_a_list_without_end_is_given_up(page, name, monkeypatch):
    monkeypatch.setattr(client, "MAX_PAGES", 50)
    field = "repositories" if page.endswith("repos") else "tags"
    pages = iter(range(10**9))

    def behave(method, target, host):
        number = next(pages)
        body = json.dumps({field: ENDLESS[name](number)}).encode()
        return [response(200, body, f'Link: <?last={number}>; rel="next"')]

    ui, registry = ui_of(behave)
    found = fetch(ui, f"GET {page} HTTP/1.1\r\nHost: ui.test\r\n\r\n".encode())
    assert found.status == 502
    assert len(registry.requests_sent) <= 51


@pytest.mark.parametrize(
    "link",
    [
        "<x:.evil.test/v2/_catalog>",
        "<.evil.test/v2/_catalog>",
        "<@evil.test/v2/_catalog>",
        "<//evil.test/v2/_catalog>",
        "<http://evil.test/v2/_catalog?last=a>",
        "<http://evil.test:5000/v2/_catalog?last=a>",
        "<https://registry.test:5000/v2/_catalog?last=a>",
        "<http://registry.test:5000@evil.test/v2/_catalog>",
        "<http://registry.test:5000\\@evil.test/v2/_catalog>",
        "<http:///v2/_catalog>",
        "<:80/v2/_catalog>",
        "<javascript:alert(1)>",
        "</v2/_catalog?a=\x01b>",
        "<\u00e9>",
        "<http://[::1/v2/_catalog>",
    ],
)
@pytest.mark.parametrize("page", ["/api/repos", "/api/tags/app"])
def test_a_login_goes_to_no_other_server_by_a_link(page, link):
    field = "repositories" if page.endswith("repos") else "tags"
    ui, registry = ui_of(
        lambda method, target, host: [
            response(200, b'{"%s":["a"]}' % field.encode(), f'Link: {link}; rel="next"')
        ]
    )
    asked = f"GET {page} HTTP/1.1\r\nHost: ui.test\r\nAuthorization: {LOGIN}\r\n\r\n"
    found = fetch(ui, asked.encode())
    assert found.status in (200, 502)
    assert registry.requests_sent
    assert {host for host, *_ in registry.requests_sent} == {HOME}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_login_goes_to_no_other_server_by_a_redirect(status):
    def behave(method, target, host):
        if host == HOME:
            return [response(status, b"", "Location: http://evil.test/v2/")]
        return [response(200, b"{}")]

    ui, registry = ui_of(behave)
    for page in PAGES:
        asked = f"GET {page} HTTP/1.1\r\nHost: ui.test\r\nAuthorization: {LOGIN}\r\n\r\n"
        assert fetch(ui, asked.encode()).status in (502, 503), page
    assert {host for host, *_ in registry.requests_sent} == {HOME}


def test_content_that_lies_elsewhere_is_fetched_without_the_login():
    config = b'{"architecture":"amd64","os":"linux"}'
    named = str(Digest.of(config))
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": named,
                "size": len(config),
            },
            "layers": [],
        }
    ).encode()

    def behave(method, target, host):
        if host == "store.test:443":
            return [response(200, config)]
        if "/blobs/" in target:
            return [response(307, b"", "Location: https://store.test/config?signature=s")]
        if "/manifests/" in target:
            body = b"" if method == "HEAD" else manifest
            lines = f"Docker-Content-Digest: {Digest.of(manifest)}"
            return [response(200, body, lines)]
        return [response(404)]

    ui, registry = ui_of(behave)
    asked = f"GET /image/app:v1 HTTP/1.1\r\nHost: ui.test\r\nAuthorization: {LOGIN}\r\n\r\n"
    found = fetch(ui, asked.encode())
    assert found.status == 200, found.body
    assert b"linux/amd64" in found.body
    heads = [head for host, _, _, head in registry.requests_sent if host == "store.test:443"]
    assert heads
    assert not any("authorization" in head.lower() for head in heads)


def test_names_beyond_the_most_are_said_to_be_left_out():
    names = [f"t{number}" for number in range(1000)]
    pages = iter(range(10**9))

    def behave(method, target, host):
        number = next(pages)
        body = json.dumps({"tags": [f"{name}-{number}" for name in names]}).encode()
        return [response(200, body, f'Link: <?last={number}>; rel="next"')]

    ui, registry = ui_of(behave)
    found = fetch(ui, b"GET /api/tags/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    assert len(found.json["tags"]) == MAX_NAMES
    assert found.json["complete"] is False
    assert len(registry.requests_sent) == MAX_NAMES // 1000


# Headers and documents, without a registry.


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ""),
        ('</v2/x?last=a>; rel="next"', "/v2/x?last=a"),
        ("</v2/x>; rel=next", "/v2/x"),
        ('</v2/x>; title="a, b; c"; REL = \'no\', </y>; rel="prev next"', "/y"),
        ('</a>; rel="prev", </b>;rel="Next"', "/b"),
        ("</a>", ""),
        ("</a>; rel", ""),
        ("<", ""),
        ("<a", ""),
        ('</a>; title="rel=next', ""),
        ("</a;>;rel=next", "/a;"),
    ],
)
def test_the_next_link_is_found(header, expected):
    assert next_link(header) == expected


class Counted(str):  # noqa: SLOT000 - it counts
    """A text that counts the characters that are looked at."""

    steps = 0

    def find(self, wanted, start=0, *others):
        found = super().find(wanted, start, *others)
        self.steps += (len(self) if found < 0 else found) - start + 1
        return found

    def __getitem__(self, key):
        found = super().__getitem__(key)
        self.steps += len(found)
        return found


@pytest.mark.parametrize(
    "header",
    [
        "<" * 15_000,
        "<a>," * 4_000,
        "<a>" * 5_000,
        "<a>;" * 5_000,
        "<a>; ; " * 4_000,
        "<a>" + ";" * 15_000,
        "<a>" + " " * 15_000,
        '<a>; a="' * 3_000,
        "<a>; rel=" * 2_000,
    ],
)
def test_a_link_header_is_read_in_one_pass(header):
    """A count of steps, not of seconds: each character is looked at a few times at the most."""
    counted = Counted(header)
    assert next_link(counted) == ""
    assert len(header) <= counted.steps <= 4 * len(header)


def test_a_link_header_that_is_too_long_is_refused():
    with pytest.raises(RegistryRefused):
        next_link("<" * (MAX_LINK_CHARACTERS + 1))


def test_a_list_goes_on_below_the_registrys_own_address():
    base, path = "http://registry.test/prefix", "/v2/app/tags/list?n=2"
    expected = "/v2/app/tags/list?last=b"
    for target in (
        "/prefix/v2/app/tags/list?last=b",
        "/v2/app/tags/list?last=b",
        "?last=b",
        "list?last=b",
        "https://registry.example/v2/app/tags/list?last=b",
        "https://registry.example/other/v2/app/tags/list?last=b",
    ):
        assert following(base, path, target) == expected
    for target in ("/v2/other/tags/list?last=b", "http://registry.test/elsewhere", "x:y"):
        with pytest.raises(RegistryRefused):
            following(base, path, target)


def test_servers_are_told_apart_by_scheme_host_and_port():
    assert same_origin("http://a.test", "http://A.test:80/x")
    for other in ("https://a.test", "http://b.test", "http://a.test:81", "http://a.test.b", "x:y"):
        assert not same_origin("http://a.test", other)
    assert resolve("http://a.test/v2/", "b?c=d") == "http://a.test/v2/b?c=d"


def test_a_document_of_very_many_values_is_not_read():
    for content in (b"[" + b"1," * 200_000 + b"1]", b"[" + b"[]," * 70_000 + b"1]"):
        with pytest.raises(DocumentInvalid):
            read(content, list)


def test_indenting_makes_no_document_much_larger():
    levels = 900
    content = deep(levels - 1).replace(b"[]", b"[" + b"1," * 100_000 + b"1]", 1)
    assert len(pretty(content)) < 2 * len(content)
    assert pretty(b'{"a":1}') == '{\n  "a": 1\n}'


def test_a_compressed_answer_is_not_decompressed():
    """A mebibyte of zeros takes a kilobyte when compressed, and so on without end."""
    bomb = gzip.compress(b'{"repositories": ["' + b"a" * 50_000_000 + b'"]}')
    ui, _ = ui_of(lambda *_: [response(200, bomb, "Content-Encoding: gzip")])
    tracemalloc.start()
    found = fetch(ui, b"GET / HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.status == 502
    assert peak_bytes < 20_000_000


def test_a_registrys_cookies_are_kept_for_nobody():
    ui, registry = ui_of(
        lambda *_: [response(200, b'{"repositories": []}', "Set-Cookie: visitor=1; Path=/")]
    )
    for _ in range(2):
        assert fetch(ui, b"GET /api/repos HTTP/1.1\r\nHost: ui.test\r\n\r\n").status == 200
        ui.clock.advance(100)
    heads = [head.lower() for *_, head in registry.requests_sent]
    assert len(heads) >= 2
    assert not [head for head in heads if "cookie" in head]
    assert all("accept-encoding: identity" in head for head in heads)
