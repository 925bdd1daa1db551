"""Any bytes in any header that the registry reads end in an answer that is no fault."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.web.http_headers import Headers

from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.oci.media_types import DOCKER_LIST

from .headers import VALUES, headers_read
from .logins import RULES_WITH_CATALOG, A, authorizing
from .test_fuzz import statuses
from .wire import Server

NAMES = sorted(headers_read("api", "http"))
PROXY = IPv4Address("TCP", "127.0.0.1", 1)
LIST = b'{"schemaVersion":2,"mediaType":"%b","manifests":[]}' % DOCKER_LIST.encode()


def test_the_list_of_headers_is_derived_from_the_source():
    wanted = {"authorization", "range", "accept", "if-none-match", "content-range", "user-agent"}
    assert wanted | {"x-forwarded-proto", "forwarded", "expect", "content-type"} <= set(NAMES)


@pytest.fixture(params=["open", "logins"])
def server(request, users, filled, tmp_path):
    authorizer = authorizing(
        users,
        RULES_WITH_CATALOG,
        TokenIssuer(b"k" * 32, "holm", 900.0),
        robots=RobotAccounts(str(tmp_path / "robots")),
    )
    settings = {} if request.param == "open" else {"authorizer": authorizer}
    server = Server(filled, settings=settings, proxies=TrustedProxies(local=True))
    yield server
    server.hang_up()


def routes(server):
    """Give requests that read all headers there are."""
    upload = server.registry.uploads.start("public/a")
    server.registry.manifests.put("public/a", "list", LIST)
    yield "GET", "/v2/public/a/manifests/v1", b""
    yield "GET", "/v2/public/a/manifests/list", b""
    yield "GET", f"/v2/public/a/blobs/{server.registry.manifests.get('public/a', 'v1').digest}", b""
    yield "PUT", "/v2/public/a/manifests/v2", A
    yield "PATCH", f"/v2/public/a/blobs/uploads/{upload}", b"x"
    yield "PUT", f"/v2/public/a/blobs/uploads/{upload}?digest=sha256:{'0' * 64}", b""
    yield "GET", "/v2/_catalog", b""
    yield "GET", "/v2/", b""
    yield "GET", "/auth/token?scope=repository:public/a:pull", b""


def written(method: str, path: str, name: str, value: bytes, body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), name.encode() + b": " + value]
    lines += [b"Host: registry.test"] if name != "host" else []
    lines += [b"Content-Length: %d" % len(body)] if body and name != "content-length" else []
    return b"\r\n".join([*lines, b"", body])


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_in_any_header_are_no_fault(server, name):
    for method, path, body in routes(server):
        for value in VALUES:
            connection = server.connect(PROXY)
            connection.send(written(method, path, name, value, body))
            found = statuses(connection.received())
            assert not {500, 503} & set(found), (method, path, name, value)
            if connection.transport.connected:
                connection.leave()
    assert server.request("GET", "/").status == 200


def test_no_header_is_read_that_is_not_in_the_list(server, monkeypatch):
    """Otherwise a new way to read headers would not be tried with any bytes."""
    read = set()
    real = Headers.getRawHeaders

    def noting(self, name, default=None):
        text = name.decode() if isinstance(name, bytes) else name
        if any(self is connection.requestHeaders for connection in asked):
            read.add(text.lower())
        return real(self, name, default)

    asked = []
    watch = server.site.requestFactory.process

    def process(request):
        asked.append(request)
        watch(request)

    monkeypatch.setattr(server.site.requestFactory, "process", process)
    monkeypatch.setattr(Headers, "getRawHeaders", noting)
    for method, path, body in routes(server):
        connection = server.connect(PROXY)
        connection.send(written(method, path, "accept", b"*/*", body))
    # Twisted reads these for itself.
    assert read - {"connection", "transfer-encoding", "cookie"} <= set(NAMES)
    assert "authorization" in read or server.settings == {}
