from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any


def client_of(address: Any) -> str:
    """
    Return what counts as one client of an address of Twisted's: see :func:`client_network`.
    """
    return client_network(str(getattr(address, "host", "")))


@lru_cache(maxsize=4096)
def client_network(host: str) -> str:
    """
    Return what counts as one client: an address of IPv4, or a network of IPv6.

    A machine that has one address of IPv6 has all that share its first 64 bits.

    :param host: An address; an empty one, of a local socket, is always the same client.
    """
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return host
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
