"""
Where to listen: addresses as ``http.addr`` has them, or Twisted's endpoint descriptions.
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

#: How many connections may wait to be accepted: a rollout opens hundreds at once, and where
#: Twisted's 50 are exceeded the kernel resets some.
BACKLOG = 1024

#: The kinds of descriptions that have one.
_WITH_BACKLOG = frozenset({"tcp", "tcp4", "tcp6", "unix", "ssl"})


def endpoint(reactor: Any, address: str, net: str = "tcp") -> IStreamServerEndpoint:
    """
    Make an endpoint of ``http.addr`` and ``http.net``.

    An empty host means every address of the machine, IPv6 as well where there is any.

    :raises OSError: The host's name is not known.
    """
    if net == "unix":
        return UNIXServerEndpoint(reactor, address, backlog=BACKLOG)
    host, port = parse_address(address)
    if not host:
        if _has_ipv6():
            return TCP6ServerEndpoint(reactor, port, BACKLOG, "::")
        return TCP4ServerEndpoint(reactor, port, BACKLOG)
    family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    if family == socket.AF_INET6:
        return TCP6ServerEndpoint(reactor, port, BACKLOG, str(found[0]))
    return TCP4ServerEndpoint(reactor, port, BACKLOG, str(found[0]))


def described_endpoint(reactor: Any, description: str) -> IStreamServerEndpoint:
    """
    Make an endpoint of what ``--listen`` says: ``tcp:5000``, ``unix:/run/registry``, ``:5000``.

    :raises ValueError: It is neither a description nor an address.
    """
    kind = description.partition(":")[0]
    if kind.isalpha() and kind != "localhost":
        if kind in _WITH_BACKLOG and ":backlog=" not in description:
            description = f"{description}:backlog={BACKLOG}"
        try:
            found: IStreamServerEndpoint = serverFromString(reactor, description)
        except IndexError:
            if kind == "systemd":
                raise ValueError("systemd handed over no such socket") from None
            raise ValueError("not an endpoint") from None
        except (TypeError, KeyError) as problem:
            raise ValueError(f"not an endpoint: {problem}") from problem
        return found
    return endpoint(reactor, description)


def listen(where: IStreamServerEndpoint, site: IProtocolFactory) -> IListeningPort:
    """
    Begin to listen, at once.

    :raises twisted.internet.error.CannotListenError: The address is taken or not ours.
    """
    results: list[Any] = []
    where.listen(site).addBoth(results.append)
    if not results:
        raise ValueError("the endpoint does not begin to listen at once")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    port: IListeningPort = results[0]
    return port


def bound_accepts(port: Any, site: StreamingSite) -> None:
    """
    Have a port accept no more connections at once than there is room for.

    Twisted accepts a hundred in one go, and where descriptors run out resets what it cannot take.
    What is not accepted waits in the kernel's backlog, until a connection has gone.
    """
    accept = port.doRead

    def go_on() -> None:
        if port.connected:
            port.startReading()

    def accept_some() -> None:
        room = site.connections.room
        if room <= 0:
            port.stopReading()
            site.when_room(go_on)
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
