"""
What proxies in front of this server say about a request: who sent it, and to which address.

:see: RFC 7239; distribution, ``registry/api/v2/urls.go``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from attrs import frozen

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HOST = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*/?")
_PAIR = re.compile(
    r"""[ \t]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))[ \t]*"""
)

#: The longest host or prefix that is believed, in characters.
_LONGEST = 255

#: The most proxies in a row whose word is believed.
_MAX_HOPS = 32


@frozen
class Forwarded:
    """
    The address that a client called.

    :ivar scheme: ``http`` or ``https``.
    :ivar host: ``name[:port]``; empty where the client named none that can be used.
    :ivar prefix: The path that a proxy took away, as ``/path``; empty for none.
    """

    scheme: str
    host: str
    prefix: str = ""


class TrustedProxies:
    """
    The proxies whose headers are believed; nothing of these headers is believed from others.

    :param networks: Where they are.
    :param local: Whether whatever comes by a local socket, which has no address, is one of them.
    """

    def __init__(self, networks: Sequence[Network] = (), *, local: bool = False) -> None:
        self._networks = tuple(networks)
        self._local = local
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def _trusts(self, host: str) -> bool:
        """Return whether an address, empty for a local socket's, is that of a trusted proxy."""
        if not host:
            return self._local
        address = parse_hop(host)
        return address is not None and any(
            ipaddress.ip_address(address) in network for network in self._networks
        )

    def client(self, request: Any) -> str:
        """
        Return the address of the client: of the last that is no trusted proxy.

        Each proxy adds the address that it was called from. So the list is read from its end, for
        as long as a trusted proxy has written it. ``X-Forwarded-For`` comes first, as most
        proxies write that one, and pass on a ``Forwarded`` that their client made up.
        """
        client = plain_host(request.getClientAddress())
        if not self.trusts(client):
            return client
        for hop in reversed(_hops(request)[-_MAX_HOPS:]):
            address = parse_hop(hop)
            if address is None:
                break
            client = address
            if not self.trusts(address):
                break
        return client

    def forwarded(self, request: Any) -> Forwarded:
        """Return the address that a client called, as far as a trusted proxy or itself says so."""
        scheme = "https" if request.isSecure() else "http"
        host = parse_host(request.header("Host") or "") or ""
        if not self.trusts(plain_host(request.getClientAddress())):
            return Forwarded(scheme, host)
        elements = parse_forwarded(_joined(request, "Forwarded"))
        scheme = _scheme(request, elements) or scheme
        host = _with_port(_host(request, elements) or host, scheme, request)
        return Forwarded(scheme, host, _prefix(request))


def plain_host(address: Any) -> str:
    """
    Return the host of an address of Twisted's; empty where it has none, as a local socket's.

    An IPv4 client of a socket that listens on both families looks like ``::ffff:192.0.2.1``.
    """
    return str(getattr(address, "host", "") or "").removeprefix("::ffff:")


def parse_hop(text: str) -> str | None:
    """
    Read one entry of ``X-Forwarded-For``, or ``for=``: an address, perhaps with a port.

    :return: The address in its usual form; None for what is none, such as ``unknown``.
    """
    text = text.strip().strip('"')
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\w+)?", text)
    if bracketed is not None:
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def parse_host(text: str) -> str | None:
    """
    Read ``name[:port]``, ``192.0.2.1[:port]`` or ``[2001:db8::1][:port]``.

    :return: The same; None for anything else, which must not become part of an answer.
    """
    match = _HOST.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or (match[2] and not 0 < int(match[2]) < 65536):
        return None
    return text if _NAME.fullmatch(match[1]) or parse_hop(match[1]) else None


def parse_forwarded(text: str) -> list[dict[str, str]]:
    """
    Read ``Forwarded``: the parameters of each proxy, by their names in small letters.

    :return: None of them where the header is not well-formed.
    :see: RFC 7239, 4.
    """
    if not text:
        return []
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(text):
        if text[position] in " \t;":
            position += 1
            continue
        if text[position] == ",":
            elements.append({})
            position += 1
            continue
        match = _PAIR.match(text, position)
        if match is None or match[1].lower() in elements[-1]:
            return []
        value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        elements[-1][match[1].lower()] = value
        position = match.end()
        if position < len(text) and text[position] not in ",;":
            return []
    return [element for element in elements if element]


def _joined(request: Any, name: str) -> str:
    """Return all headers of a name as one list."""
    values = request.requestHeaders.getRawHeaders(name.encode())
    return ",".join(value.decode("latin-1") for value in values) if values else ""


def _entries(request: Any, name: str) -> list[str]:
    text = _joined(request, name)
    return [entry.strip() for entry in text.split(",") if entry.strip()] if text else []


def _hops(request: Any) -> list[str]:
    """Return the addresses that proxies were called from, the one next to us last."""
    return (
        _entries(request, "X-Forwarded-For")
        or [each.get("for", "") for each in parse_forwarded(_joined(request, "Forwarded"))]
        or _entries(request, "X-Real-IP")
    )


def _said(
    request: Any, elements: list[dict[str, str]], parameter: str, header: str
) -> Iterator[str]:
    """Yield what was said first of something: by ``Forwarded``, then by a header of its own."""
    yield from [each[parameter] for each in elements if parameter in each][:1]
    yield from _entries(request, header)[:1]


def _scheme(request: Any, elements: list[dict[str, str]]) -> str | None:
    for said in _said(request, elements, "proto", "X-Forwarded-Proto"):
        if said.lower() in ("http", "https"):
            return said.lower()
    return None


def _host(request: Any, elements: list[dict[str, str]]) -> str | None:
    for said in _said(request, elements, "host", "X-Forwarded-Host"):
        if parse_host(said) is not None:
            return said
    return None


def _with_port(host: str, scheme: str, request: Any) -> str:
    """Add the port of ``X-Forwarded-Port``, unless the host has one or needs none."""
    port = (_entries(request, "X-Forwarded-Port") or [""])[0]
    if not host or port == {"http": "80", "https": "443"}[scheme]:
        return host
    if host.rpartition("]")[2].count(":") or parse_host(f"{host}:{port}") is None:
        return host
    return f"{host}:{port}"


def parse_prefix(text: str) -> str:
    """Return a path below which a server is, without a slash at its end; empty for no such path."""
    return text.rstrip("/") if len(text) <= _LONGEST and _PREFIX.fullmatch(text) else ""


def _prefix(request: Any) -> str:
    """Return what all proxies took away, the outermost first; nothing if any of it is no path."""
    prefix = ""
    for entry in _entries(request, "X-Forwarded-Prefix"):
        if not _PREFIX.fullmatch(entry):
            return ""
        prefix += entry.rstrip("/")
    return prefix if len(prefix) <= _LONGEST else ""
