"""
What one client may use of the shared resources.
"""

from __future__ import annotations

import resource
from collections import Counter
from typing import Any

from attrs import evolve, frozen

from .client_network import client_of

#: What the process needs beside connections and the files they are served from.
_OTHER_FILES = 64

#: How many connections are let in where neither the configuration nor the descriptors say less.
#: Each costs 4 KiB while it is idle; container engines let a process have a million descriptors.
MOST_CONNECTIONS = 8192

#: How many of TLS: each costs 27 KiB while it is idle, and 80 KiB while it is read slowly.
MOST_TLS_CONNECTIONS = 1024

#: How many connections that are not let in may be told so at once; others wait to be accepted.
MOST_REFUSED = 16

#: The share of all connections that one address may have by default.
_SHARE = 0.75


@frozen
class ConnectionTimeouts:
    """
    :ivar header_seconds: How long a request's headers may take from their first byte on.
    :ivar body_seconds: In how much time some of a body must have moved, either way.
    :ivar connections: How many there may be at once.
    :ivar connections_per_address: How many of them may come from one address.
    :ivar uploads_per_address: How many bodies may arrive at once from one address.
    :ivar requests_per_second: How many may come from one address in the long run; 0 for any.
    :ivar idle_seconds: How long a connection may lie idle between requests. Longer than proxies
        keep theirs (Traefik and Go 90 s, Caddy 120 s): who sends a request on a connection that is
        just being closed cannot tell whether it was heard.
    """

    header_seconds: float = 30.0
    body_seconds: float = 300.0
    connections: int = 4096
    connections_per_address: int = 3072
    uploads_per_address: int = 256
    requests_per_second: float = 0.0
    idle_seconds: float = 150.0

    def fitted(self, *, tls: bool = False) -> ConnectionTimeouts:
        """
        Return limits that the process can keep: each connection may need a file beside itself.

        0 connections are as many as fit, up to :data:`MOST_CONNECTIONS`, and 0 from one address
        most of those.

        :param tls: Whether they are those of TLS.
        """
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = MOST_TLS_CONNECTIONS if tls else MOST_CONNECTIONS
        connections = self.connections or most
        if files != resource.RLIM_INFINITY:
            connections = max(1, min(connections, (files - _OTHER_FILES - MOST_REFUSED) // 2))
        from_one = self.connections_per_address or max(1, int(connections * _SHARE))
        return evolve(self, connections=connections, connections_per_address=from_one)


class ConnectionCounter:
    """Counts connections, by where they come from."""

    def __init__(self, limits: ConnectionTimeouts) -> None:
        self._limits = limits
        self._addresses: Counter[str] = Counter()
        self.refused = 0
        #: How many that were not let in are still open.
        self.rejected = 0

    @property
    def room(self) -> int:
        """How many more may be accepted, be it to tell them that they are too many."""
        return max(0, self._limits.connections - self.count) + MOST_REFUSED - self.rejected

    @property
    def count(self) -> int:
        """How many there are."""
        return self._addresses.total()

    def acquire(self, address: Any) -> str | None:
        """Count one in; or tell, in a line, why it cannot be let in."""
        host = client_of(address)
        reason = None
        if self._addresses[host] >= self._limits.connections_per_address:
            reason = "too many connections from this address"
        elif self.count >= self._limits.connections:
            reason = "too many connections"
        if reason is not None:
            self.refused += 1
            return reason
        self._addresses[host] += 1
        return None

    def release(self, address: Any) -> None:
        """Count one out."""
        host = client_of(address)
        self._addresses[host] -= 1
        if self._addresses[host] <= 0:
            del self._addresses[host]
