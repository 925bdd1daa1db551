"""Reading what proxies say; whom they say it to is in tests/http/test_proxies.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.config.addresses import parse_networks
from holm_registry.http.trusted_proxies import (
    TrustedProxies,
    parse_forwarded,
    parse_hop,
    parse_host,
)


@pytest.mark.parametrize(
    "text",
    [
        *("registry.example", "registry.example:8443", "my_registry:5000", "localhost", "a."),
        *("192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:5000", "a" * 255),
    ],
)
def test_a_host_is_taken_as_it_is(text):
    assert parse_host(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "a b", 'a"', "a<b>", "user@a", "user:secret@a", "a/b", "a?b", "a#b", "a\r\nX: y"),
        *("a:", "a:0", "a:65536", "a:123456", "a:x", "a:1:2", "[::1", "[x]", "[:]", "[]:80"),
        *("2001:db8::1", "http://a", "a,b", "-a", ".a", "é", "a\x00", "%61", "a" * 256),
    ],
)
def test_what_is_no_host_is_not_taken(text):
    assert parse_host(text) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        *((text, None) for text in ("unknown", "_hidden", "", "192.0.2", "a.example", "1 2", "[x")),
    ],
)
def test_an_entry_of_x_forwarded_for(text, address):
    assert parse_hop(text) == address


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("", []),
        ("for=192.0.2.1;proto=https", [{"for": "192.0.2.1", "proto": "https"}]),
        (
            'For="[2001:db8::1]:47", host="a:8443"',
            [{"for": "[2001:db8::1]:47"}, {"host": "a:8443"}],
        ),
        ("proto=https ; host=a ,, by=_x;", [{"proto": "https", "host": "a"}, {"by": "_x"}]),
        (r'host="a\"b,c;d"', [{"host": 'a"b,c;d'}]),
        *((text, []) for text in ("x", "=a", 'host="a', "host=a host=b", "host=a;host=b", "a=b c")),
    ],
)
def test_forwarded(text, elements):
    assert parse_forwarded(text) == elements


@given(st.text(alphabet='a=";,\\ \t', max_size=40))
def test_any_forwarded_is_read(text):
    for element in parse_forwarded(text):
        assert element


@pytest.mark.parametrize(
    ("names", "host", "trusted"),
    [
        (["loopback"], "127.0.0.53", True),
        (["loopback"], "::1", True),
        (["loopback"], "", True),
        (["loopback"], "10.0.0.1", False),
        (["private"], "10.0.0.1", True),
        (["private"], "172.31.0.1", True),
        (["private"], "172.32.0.1", False),
        (["private"], "fd00::1", True),
        (["private"], "::ffff:192.168.0.1", True),
        (["private"], "fe80::1%eth0", False),
        (["private"], "192.0.2.1", False),
        (["private"], "", False),
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.7/24"], "192.0.2.1", True),
        ([], "127.0.0.1", False),
        ([], "", False),
    ],
)
def test_who_is_trusted(names, host, trusted):
    networks, local = parse_networks(names)
    assert TrustedProxies(networks, local=local).trusts(host) is trusted


@pytest.mark.parametrize("name", ["", "*", "nginx", "10.0.0.0/33", "10.0.0", "::/129"])
def test_what_is_no_network(name):
    with pytest.raises(ValueError, match="expected a network"):
        parse_networks([name])
