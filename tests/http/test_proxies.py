"""Proxies in front: whom we believe what, and what never reaches an answer."""

from __future__ import annotations

from functools import partial

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from holm_registry.api.authorizer import RuleAuthorizer
from holm_registry.api.bearer_scheme import BearerScheme
from holm_registry.api.locations import Locations
from holm_registry.auth.rules import Rules
from holm_registry.auth.tokens import TokenInvalid
from holm_registry.config.addresses import parse_networks
from holm_registry.config.http import HttpSection
from holm_registry.content.validation import Validation
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.threads import ImmediateThreads

from ..images import image
from .wire import Server, head

PROXY = IPv4Address("TCP", "10.0.0.2", 40000)
STRANGER = IPv4Address("TCP", "203.0.113.9", 40000)


def logins():
    """Ask for a token, as an address that has to be absolute tells where to get it."""
    bearer = BearerScheme(refuse, "holm", partial(Locations().absolute, path="/auth/token"))
    return RuleAuthorizer(
        rules=Rules(None, {}), realm="Holm", threads=ImmediateThreads(), bearer=bearer
    )


def refuse(_token):
    raise TokenInvalid("none is taken here")


def store(registry, repository, *tags):
    """Put an image into a registry, by no request."""
    for tag in tags:
        registry.manifests.put(repository, tag, image(b"c", []))


def believing(names=None):
    networks, local = parse_networks(HttpSection().proxies if names is None else names)
    return TrustedProxies(networks, local=local)


@pytest.fixture
def server():
    server = Server(settings={"authorizer": logins()}, proxies=believing())
    yield server
    server.hang_up()


def ask(server, peer=PROXY, path="/v2/", method="GET", **headers):
    connection = server.connect(peer)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.send(head(method, path, named, None))
    return connection.answer()


def realm(server, peer=PROXY, **headers):
    challenge = ask(server, peer, **headers).header("WWW-Authenticate")
    assert challenge.startswith('Bearer realm="')
    return challenge.split('"')[1]


SAID = [
    ({"X_Forwarded_Proto": "https"}, "https://registry.test/auth/token"),
    ({"X_Forwarded_Proto": "HTTPS"}, "https://registry.test/auth/token"),
    ({"X_Forwarded_Proto": "https, http"}, "https://registry.test/auth/token"),
    ({"X_Forwarded_Proto": ["https", "http"]}, "https://registry.test/auth/token"),
    ({"X_Forwarded_Host": "a.example:8443, b"}, "http://a.example:8443/auth/token"),
    ({"X_Forwarded_Host": "[2001:db8::1]:5000"}, "http://[2001:db8::1]:5000/auth/token"),
    ({"X_Forwarded_Port": "8443"}, "http://registry.test:8443/auth/token"),
    ({"X_Forwarded_Port": "443", "X_Forwarded_Proto": "https"}, "https://registry.test/auth/token"),
    ({"X_Forwarded_Host": "a:1", "X_Forwarded_Port": "2"}, "http://a:1/auth/token"),
    ({"X_Forwarded_Host": "[::1]", "X_Forwarded_Port": "2"}, "http://[::1]:2/auth/token"),
    ({"X_Forwarded_Prefix": "/reg"}, "http://registry.test/reg/auth/token"),
    ({"X_Forwarded_Prefix": "/a/, /b"}, "http://registry.test/a/b/auth/token"),
    ({"X_Forwarded_Prefix": "/"}, "http://registry.test/auth/token"),
    (
        {"Forwarded": 'for=1.2.3.4;proto=https;host="h.example:8443", for=2;host=z'},
        "https://h.example:8443/auth/token",
    ),
    (
        {"Forwarded": "proto=HTTPS;host=h", "X_Forwarded_Host": "x", "X_Forwarded_Proto": "http"},
        "https://h/auth/token",
    ),
    (
        {"Forwarded": "for=1.2.3.4", "X_Forwarded_Proto": "https"},
        "https://registry.test/auth/token",
    ),
]


@pytest.mark.parametrize(("headers", "expected"), SAID)
def test_a_trusted_proxy_says_which_address_was_called(server, headers, expected):
    assert realm(server, **headers) == expected


@pytest.mark.parametrize(("headers", "_expected"), SAID)
def test_nobody_else_does(server, headers, _expected):
    assert realm(server, STRANGER, **headers) == "http://registry.test/auth/token"


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_Proto": "javascript"},
        {"X_Forwarded_Proto": 'https"'},
        {"X_Forwarded_Proto": "ftp, https"},
        {"X_Forwarded_Host": 'a"b'},
        {"X_Forwarded_Host": "user:secret@a"},
        {"X_Forwarded_Host": "a b"},
        {"X_Forwarded_Host": "a/b"},
        {"X_Forwarded_Host": "a" * 300},
        {"X_Forwarded_Host": "\xe9"},
        {"X_Forwarded_Port": "0"},
        {"X_Forwarded_Port": "99999"},
        {"X_Forwarded_Port": "9" * 5000},
        {"X_Forwarded_Port": '1"'},
        {"X_Forwarded_Port": "\xb2"},
        {"X_Forwarded_Prefix": "//evil.example"},
        {"X_Forwarded_Prefix": "/a/../b"},
        {"X_Forwarded_Prefix": '/a"'},
        {"X_Forwarded_Prefix": "/a b"},
        {"X_Forwarded_Prefix": "/a?b"},
        {"X_Forwarded_Prefix": "/a<b>"},
        {"X_Forwarded_Prefix": "reg"},
        {"X_Forwarded_Prefix": "/a, /b c"},
        {"X_Forwarded_Prefix": "/" + "a" * 300},
        {"X_Forwarded_Prefix": ",".join(["/a"] * 200)},
        {"Forwarded": 'host="a\\"b"'},
        {"Forwarded": "host=user@a"},
        {"Forwarded": "host=a b"},
        {"Forwarded": "host=a;host=b"},
        {"Forwarded": 'host="a'},
        {"Forwarded": "\xff"},
    ],
)
def test_what_is_no_address_never_reaches_an_answer(server, headers):
    assert realm(server, **headers) == "http://registry.test/auth/token"


@pytest.mark.parametrize("host", ['a"b', "user@a", "a b", "a" * 300, "\xe9", "a:99999"])
def test_a_host_that_is_none_never_reaches_an_answer(server, host):
    for peer in (PROXY, STRANGER):
        connection = server.connect(peer)
        connection.send(f"GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
        answer = connection.received()
        assert host.encode("latin-1") not in answer
        assert answer.startswith(b"HTTP/1.1 400") or b'realm="http://10.0.0.1' in answer


@pytest.mark.parametrize(
    ("peer", "is_believed"),
    [
        (IPv4Address("TCP", "127.0.0.1", 1), True),
        (IPv6Address("TCP", "::1", 1), True),
        (IPv6Address("TCP", "::ffff:192.168.0.1", 1), True),
        (IPv6Address("TCP", "fd00::1", 1), True),
        (UNIXAddress(None), True),
        (IPv6Address("TCP", "2001:db8::1", 1), False),
        (IPv4Address("TCP", "198.51.100.1", 1), False),
    ],
)
def test_private_networks_and_this_machine_are_believed_by_default(server, peer, is_believed):
    expected = f"http{'s' if is_believed else ''}://registry.test/auth/token"
    assert realm(server, peer, X_Forwarded_Proto="https") == expected


def test_nobody_is_believed_where_the_list_is_empty():
    server = Server(settings={"authorizer": logins()}, proxies=believing([]))
    for peer in (PROXY, UNIXAddress(None)):
        assert realm(server, peer, X_Forwarded_Host="evil") == "http://registry.test/auth/token"
    server.hang_up()


@pytest.mark.parametrize(
    ("locations", "prefix", "host", "path"),
    [
        (Locations(), "/", "", "/reg"),
        (Locations.configured("", "/v/", relative=False), "/v/", "", "/reg/v"),
        (Locations.configured("https://r/own", "", relative=False), "/", "https://r", "/own"),
        (Locations.configured("https://r/own", "", relative=True), "/", "", "/own"),
        (
            Locations.configured("https://r/own/v/", "/v/", relative=False),
            "/v/",
            "https://r",
            "/own/v",
        ),
        (Locations.configured("https://r:1", "/v/", relative=False), "/v/", "https://r:1", "/v"),
    ],
)
def test_every_address_leads_through_the_same_path(locations, prefix, host, path):
    server = Server(
        proxies=believing(),
        settings={"locations": locations},
        prefix=prefix,
        validation=Validation(disabled=True),
    )
    registry, took = server.registry, {"X_Forwarded_Prefix": "/reg"}
    store(registry, "a", "v1", "v2")
    store(registry, "b", "v1")
    below = f"{prefix}v2"
    catalog = ask(server, path=f"{below}/_catalog?n=1", **took)
    assert catalog.header("Link") == f'<{path}/v2/_catalog?last=a&n=1>; rel="next"'
    tags = ask(server, path=f"{below}/a/tags/list?n=1", **took)
    assert tags.header("Link") == f'<{path}/v2/a/tags/list?last=v1&n=1>; rel="next"'
    begun = ask(server, path=f"{below}/a/blobs/uploads/", method="POST", **took)
    assert begun.header("Location").startswith(f"{host}{path}/v2/a/blobs/uploads/")
    server.hang_up()


CHAINS = [
    ({}, "10.0.0.2"),
    ({"X_Forwarded_For": "198.51.100.7"}, "198.51.100.7"),
    ({"X_Forwarded_For": "6.6.6.6, 198.51.100.7"}, "198.51.100.7"),
    ({"X_Forwarded_For": "6.6.6.6, 198.51.100.7, 10.0.0.1, 192.168.0.1"}, "198.51.100.7"),
    ({"X_Forwarded_For": ["6.6.6.6", "198.51.100.7"]}, "198.51.100.7"),
    ({"X_Forwarded_For": "10.1.1.1, 10.0.0.1"}, "10.1.1.1"),
    ({"X_Forwarded_For": "6.6.6.6, unknown, 10.0.0.1"}, "10.0.0.1"),
    ({"X_Forwarded_For": "unknown"}, "10.0.0.2"),
    ({"X_Forwarded_For": "2001:DB8::7"}, "2001:db8::7"),
    ({"X_Forwarded_For": "198.51.100.7:4711"}, "198.51.100.7"),
    ({"X_Forwarded_For": '198.51.100.7" 200 "'}, "10.0.0.2"),
    ({"X_Forwarded_For": ",".join(["6.6.6.6", *["10.0.0.1"] * 1000])}, "10.0.0.1"),
    ({"Forwarded": 'for=6.6.6.6, for="[2001:db8::7]:80";proto=https'}, "2001:db8::7"),
    ({"Forwarded": "for=6.6.6.6", "X_Forwarded_For": "198.51.100.7"}, "198.51.100.7"),
    ({"Forwarded": "for=_hidden"}, "10.0.0.2"),
    ({"X_Real_IP": "198.51.100.7"}, "198.51.100.7"),
]


@pytest.mark.parametrize(("headers", "client"), CHAINS)
def test_the_client_is_the_last_that_is_no_trusted_proxy(server, headers, client):
    ask(server, **headers)
    assert server.access_log[-1].split()[0] == client


@pytest.mark.parametrize(("headers", "_client"), CHAINS)
def test_an_address_that_a_stranger_tells_is_not_believed(server, headers, _client):
    ask(server, STRANGER, **headers)
    assert server.access_log[-1].split()[0] == "203.0.113.9"


def test_each_request_of_a_connection_has_the_client_that_its_own_headers_say(server):
    connection = server.connect(PROXY)
    clients = ["198.51.100.7", "", "198.51.100.8"]
    for client in clients:
        headers = {"X-Forwarded-For": client} if client else {}
        connection.send(head("GET", "/v2/", headers, None))
    assert [line.split()[0] for line in server.access_log[-3:]] == [
        client or "10.0.0.2" for client in clients
    ]


TRAEFIK = {
    "X_Forwarded_For": "198.51.100.7",
    "X_Forwarded_Host": "registry.example",
    "X_Forwarded_Port": "443",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Server": "traefik-7d4",
    "X_Real_Ip": "198.51.100.7",
    "Accept_Encoding": "gzip",
}
CADDY = {
    "Via": "2.0 Caddy",
    "X_Forwarded_For": "198.51.100.7",
    "X_Forwarded_Host": "registry.example",
    "X_Forwarded_Proto": "https",
    "Accept_Encoding": "gzip",
}


@pytest.mark.parametrize("headers", [TRAEFIK, CADDY])
def test_what_traefik_and_caddy_send_is_understood(server, headers):
    assert realm(server, **headers) == "https://registry.example/auth/token"
    assert server.access_log[-1].startswith("198.51.100.7 ")
    below = realm(server, **headers, X_Forwarded_Prefix="/registry")
    assert below == "https://registry.example/registry/auth/token"
