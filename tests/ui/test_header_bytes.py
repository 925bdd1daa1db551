"""Any bytes in any header, of a visitor or of the registry, end in an answer that is no fault."""

from __future__ import annotations

import base64

import pytest

from ..http.headers import VALUES, headers_read
from ..http.test_fuzz import statuses
from ..http.test_header_bytes import written
from ..http.wire import parse
from .wire import Ui

NAMES = sorted(headers_read("ui", "http") - {"docker-content-digest", "link", "allow"})
#: What a registry's own headers may hold: a few are enough, since a page takes its time.
ODD = [b"", b"\x80", b"<\xff\xfe>; rel=next", "é".encode(), b"\x00", b"a\x7f;\x01=\xe9"]
FORM = b"repo=a&digest=sha256:" + b"0" * 64
PAGES = [
    ("GET", "/", b""),
    ("GET", "/login?back=/", b""),
    ("GET", "/favicon.ico", b""),
    ("POST", "/delete", FORM),
    ("POST", "/theme", b"theme=dark"),
]


def test_the_list_of_headers_is_derived_from_the_source():
    assert {"authorization", "sec-fetch-site", "origin", "cookie", "accept-encoding"} <= set(NAMES)


@pytest.fixture(scope="module")
def ui():
    found = Ui()
    found.gallery.image("a", "v1", [b"x"])
    yield found
    found.hang_up()


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_in_any_header_of_a_visitor_are_no_fault(ui, name):
    for method, path, body in PAGES:
        for value in VALUES:
            connection = ui.connect()
            connection.send(written(method, path, name, value, body))
            received = connection.received()
            assert 500 not in statuses(received), (path, name, value, received[-2000:])
            connection.leave() if connection.transport.connected else None


def test_a_login_that_is_no_base64_is_shown_the_page_and_no_name(ui):
    connection = ui.connect()
    connection.send(b"GET / HTTP/1.1\r\nHost: ui.test\r\nAuthorization: Basic \xe9\r\n\r\n")
    assert connection.answer().status == 200


@pytest.mark.parametrize(
    "name",
    ["Docker-Content-Digest", "Content-Type", "Link", "Allow", "WWW-Authenticate", "Location"],
)
@pytest.mark.parametrize("status", [200, 401])
def test_any_bytes_in_any_header_of_the_registry_are_no_fault(name, status):
    ui = Ui()
    ui.gallery.image("a", "v1", [b"x"])
    for value in ODD:
        line = b"HTTP/1.1 %d X\r\n%b: %b\r\n\r\n" % (status, name.encode(), value)

        def odd(method, path, headers, line=line):
            found = parse(line + bodies(path))
            # As it comes from a socket: bytes.
            found.headers.setRawHeaders(name.encode(), [line.partition(b": ")[2][:-4]])
            return found

        ui.wire.intercept = odd
        for path in ("/repo/a", "/image/a:v1", "/api/repos"):
            answer = ui.get(path)
            assert answer.status != 500, (path, value, answer.body[-2000:])
        ui.start()
    ui.hang_up()


def bodies(path: str) -> bytes:
    if path.startswith("/v2/_catalog"):
        return b'{"repositories":["a"]}'
    if path.endswith("/tags/list?n=1000"):
        return b'{"name":"a","tags":["v1"]}'
    return b'{"schemaVersion":2}'


def test_a_name_of_any_bytes_is_shown_as_far_as_it_can_be(ui):
    login = base64.b64encode(b"\xff\xe9:x").decode()
    assert "Log out" in ui.page("/", Authorization=f"Basic {login}").text
