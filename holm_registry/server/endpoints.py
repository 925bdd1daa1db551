"""
The endpoints to listen on: from ``http.addr``, or from Twisted's endpoint descriptions.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    UNIXServerEndpoint,
    serverFromString,
)
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure

from holm_registry.config.addresses import parse_address
from holm_registry.http.site import StreamingSite

#: How many connections may wait to be accepted. A rollout opens hundreds at once; with Twisted's
#: default of 50, the kernel would reset some.
BACKLOG = 1024

#: The types of endpoint descriptions that have a backlog.
_WITH_BACKLOG = frozenset({"tcp", "tcp4", "tcp6", "unix", "ssl"})


def endpoint_from_address(reactor: Any, address: str, net: str = "tcp") -> IStreamServerEndpoint:
    """
    Make the endpoint of ``http.addr`` and ``http.net``.

    An empty host means all addresses of the machine, those of IPv6 included where it is enabled.

    :raises OSError: The host name cannot be resolved.
    """
    if net == "unix":
        return UNIXServerEndpoint(reactor, address, backlog=BACKLOG)
    host, port = parse_address(address)
    if not host:
        if _has_ipv6():
            return TCP6ServerEndpoint(reactor, port, BACKLOG, "::")
        return TCP4ServerEndpoint(reactor, port, BACKLOG)
    family, _, _, _, socket_address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    if family == socket.AF_INET6:
        return TCP6ServerEndpoint(reactor, port, BACKLOG, str(socket_address[0]))
    return TCP4ServerEndpoint(reactor, port, BACKLOG, str(socket_address[0]))


def endpoint_from_description(reactor: Any, description: str) -> IStreamServerEndpoint:
    """
    Make the endpoint of the option ``--listen``: ``tcp:5000``, ``unix:/run/registry``, ``:5000``.

    :raises ValueError: It is neither an endpoint description nor an address.
    """
    kind = description.partition(":")[0]
    if kind.isalpha() and kind != "localhost":
        if kind in _WITH_BACKLOG and ":backlog=" not in description:
            description = f"{description}:backlog={BACKLOG}"
        try:
            endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
        except IndexError:
            if kind == "systemd":
                raise ValueError("systemd passed no such socket") from None
            raise ValueError("not an endpoint") from None
        except (TypeError, KeyError) as problem:
            raise ValueError(f"not an endpoint: {problem}") from problem
        return endpoint
    return endpoint_from_address(reactor, description)


def listen(endpoint: IStreamServerEndpoint, site: IProtocolFactory) -> IListeningPort:
    """
    Listen, before returning.

    :raises twisted.internet.error.CannotListenError: The address is in use, or not of this machine.
    """
    results: list[Any] = []
    endpoint.listen(site).addBoth(results.append)
    if not results:
        raise ValueError("the endpoint does not listen at once")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    port: IListeningPort = results[0]
    return port


def limit_accepts(port: Any, site: StreamingSite) -> None:
    """
    Let a port accept no more connections than the site's limit allows.

    Twisted accepts up to a hundred connections at once, and resets some where file descriptors run
    out. Connections that are not accepted wait in the kernel's backlog until another one closes.
    """
    accept = port.doRead

    def resume() -> None:
        if port.connected:
            port.startReading()

    def accept_some() -> None:
        room = site.connections.room
        if room <= 0:
            port.stopReading()
            site.call_when_accepting(resume)
            return
        port.numberAccepts = min(port.numberAccepts, room)
        accept()

    if hasattr(port, "numberAccepts"):
        port.doRead = accept_some


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
