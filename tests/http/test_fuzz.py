"""
Whatever is sent: no fault, no traceback, nothing lost. Longer with ``--stress``.

The fixture that every test has fails these when anything is logged as a failure.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.rules import Rules
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import OCI_INDEX

from ..images import image
from ..stores import collect
from ..ui.wire import Ui
from .logins import serving
from .wire import Server

CONFIG, LAYER = b"config", b"layer"
IMAGE = image(CONFIG, [LAYER])
DIGEST = str(Digest.of(IMAGE))
BLOB = str(Digest.of(LAYER))

METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"]
)

#: What addresses are made of, and what is made of them by who looks for holes.
_NAMES = ("v2", "a", "a/b", "blobs", "uploads", "manifests", "tags", "list", "referrers")
_REFERENCES = ("v1", DIGEST, BLOB, DIGEST.upper(), "sha256:", "sha256:x", "sha512:" + "0" * 128)
_ESCAPES = ("", ".", "..", "%2e%2e", "%2f", "%00", "%", "%zz", "%ff", "%c3%a4", "ä", "\\", "a b")
_OTHERS = (
    "_catalog",
    "*",
    "A",
    "_uploads",
    "_layers",
    "x" * 300,
    "auth",
    "token",
    "metrics",
    "~",
    ";",
    ":",
)
PIECES = st.sampled_from([*_NAMES, *_REFERENCES, *_ESCAPES, *_OTHERS]) | st.text(max_size=8)
PARAMETERS = st.sampled_from(
    ["n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "scope"]
)

_CONDITIONS = ("Range", "Content-Range", "If-None-Match", "Accept", "Content-Type", "Expect")
_ORIGINS = ("Authorization", "X-Request-Id", "X-Forwarded-Proto", "Connection", "Upgrade", "Cookie")
_FRAMES = (
    "Host",
    "Accept-Encoding",
    "Content-Length",
    "Transfer-Encoding",
    "Sec-Fetch-Site",
    "Origin",
)
_RANGES = ("bytes=0-", "bytes=-1", "bytes=9-1", "bytes=0-0,2-3", "bytes=9999999999999999-", "0-9")
_KINDS = ("*/*", "application/json", "text/html", "100-continue", "chunked", "identity", "close")
_NUMBERS = ("10", "-1", "1e3", "0x10", "99999999999999999999", f'"{DIGEST}"', "W/*", "", "a:b:c")
_LOGINS = ("Basic Og==", "Basic x", "Bearer x.y.z", "cross-site", "null", "h2c", "gzip;q=0")
_HOSTS = ("x" * 300, "a..b", "[::1]:5000", "[", "..", "a_b", "a@b", "xn--", "a%00", ":80", "a,b")
_LATIN = st.characters(max_codepoint=255, exclude_characters="\r\n\0")
HEADERS = st.dictionaries(
    st.sampled_from([*_CONDITIONS, *_ORIGINS, *_FRAMES]),
    st.sampled_from([*_RANGES, *_KINDS, *_NUMBERS, *_LOGINS, *_HOSTS])
    | st.text(_LATIN, max_size=20),
    max_size=4,
)
BODIES = st.none() | st.sampled_from([b"", b"{}", b"[]", IMAGE, LAYER]) | st.binary(max_size=30)
STEPS = st.sampled_from([1, 7, 10**6])


def written(method, parts, query, headers, body) -> bytes:
    """Write a request."""
    asked = "&".join(f"{name}={value}" for name, value in query)
    lines = [f"{method} /{'/'.join(parts)}?{asked} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lowered = {name.lower() for name in headers}
    if "host" not in lowered:
        lines.append("Host: registry.test")
    if body is not None and not lowered & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + (body or b"")


def requests(pieces=PIECES, parameters=PARAMETERS):
    """Give requests that hold a little of what a good one does."""
    values = pieces | st.integers().map(str)
    query = st.lists(st.tuples(parameters, values), max_size=4)
    return st.builds(written, METHODS, st.lists(pieces, max_size=8), query, HEADERS, BODIES)


def filled(server: Server) -> Server:
    server.push_image("a", "v1", CONFIG, [LAYER])
    server.push_image("a/b", "v1", CONFIG, [LAYER])
    return server


def statuses(data: bytes) -> list[int]:
    """Give the status of each answer in what a server sent."""
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def send(server, data: bytes, step: int = 10**6) -> list[int]:
    """Send bytes in pieces, and wait; give the status of each answer."""
    connection = server.connect()
    for start in range(0, len(data), step):
        if connection.transport.connected:
            connection.send(data[start : start + step])
    received = connection.received()
    server.clock.advance(1000.0)
    return statuses(received + connection.received())


@given(requests(), STEPS)
def test_no_request_is_a_fault(asked, step):
    server = filled(Server(bounds=ContentLimits(10**6, 100, 100), quotas=Quotas({"": 10**6})))
    found = send(server, asked, step)
    assert 500 not in found, found
    assert server.request("GET", "/v2/").status == 200
    server.hang_up()


@given(requests())
def test_no_request_is_a_fault_where_logins_are_asked_for(tmp_path_factory, asked):
    folder = tmp_path_factory.getbasetemp() / "robots"
    issuer = TokenIssuer(b"k" * 32, "holm", 900.0)
    server = serving(None, Rules(), issuer=issuer, robots=RobotAccounts(str(folder)))
    found = send(server, asked)
    assert not set(found) & {500, 201, 202}, found
    assert not server.driver.objects(""), "nobody has logged in, and nothing was written"
    server.hang_up()


LINES = st.sampled_from(
    [
        *(b"GET /v2/ HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n", b"\r\n\r\n", b"0\r\n", b" \t"),
        *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"PUT ", b"\x16\x03"),
        *(b"/v2/a/manifests/v2 HTTP/1.1\r\n", b"5\r\nhello\r\n", b"Expect: 100-continue\r\n"),
    ]
)


@given(st.lists(st.binary(max_size=30) | LINES, max_size=10).map(b"".join), STEPS)
def test_no_bytes_are_a_fault(data, step):
    server = filled(Server())
    assert 500 not in send(server, data, step)
    assert server.request("GET", "/v2/a/manifests/v1").body == IMAGE
    server.hang_up()


_KEYS = ("digest", "size", "mediaType", "platform", "urls", "annotations", "x")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([DIGEST, BLOB, f"sha256:{'0' * 64}", OCI_INDEX]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
_FIELDS = ("schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations")
_ODD_FIELDS = ("artifactType", "fsLayers", "signatures", "blobs", "x")
manifests = st.dictionaries(st.sampled_from([*_FIELDS, *_ODD_FIELDS]), json_values).map(
    lambda changes: json.dumps({**json.loads(IMAGE), **changes}).encode()
)


@given(
    manifests | st.binary(max_size=40), st.sampled_from(["", "application/json", OCI_INDEX, "x"])
)
def test_no_manifest_is_a_fault_and_one_that_was_taken_is_served_as_it_is(payload, kind):
    server = filled(Server())
    answer = server.request("PUT", "/v2/a/manifests/fuzz", payload, Content_Type=kind)
    assert answer.status in (201, 400), answer
    if answer.status == 201:
        digest = answer.header("Docker-Content-Digest")
        for reference in ("fuzz", digest):
            found = server.request("GET", f"/v2/a/manifests/{reference}", Accept="*/*")
            assert found.body == payload
    else:
        assert server.request("GET", "/v2/a/manifests/fuzz").status == 404
    assert server.request("GET", f"/v2/a/referrers/{DIGEST}").status == 200
    server.hang_up()
    collect(server.driver)
    again = Server(server.driver)
    assert again.request("GET", "/v2/a/manifests/v1").body == IMAGE
    again.hang_up()


@pytest.mark.parametrize("payload", [b"[" * 100_000, b'{"a":' * 50_000], ids=["lists", "objects"])
def test_a_manifest_that_is_deep_is_refused(memory, payload):
    answer = memory.request("PUT", "/v2/a/manifests/v1", payload)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])


_PAGES = ("repo", "image", "raw", "compare", "delete", "search", "api", "repos", "static", "a:v1")
UI_REQUESTS = requests(
    PIECES | st.sampled_from(_PAGES),
    st.sampled_from(["q", "page", "sort", "a", "b", "repo", "tag", "digest", "platform", "back"]),
)


@given(UI_REQUESTS)
def test_no_request_to_the_ui_is_a_fault(asked):
    ui = Ui()
    ui.gallery.image("a", "v1", [b"x"])
    connection = ui.connect()
    connection.send(asked)
    received = connection.received()
    assert 500 not in statuses(received), received[:2000]
    ui.hang_up()
