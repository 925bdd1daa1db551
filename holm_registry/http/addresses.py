from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any


def client_of(address: Any) -> str:
    """
    Give what counts as one client: an address of IPv4, or a network of IPv6.

    Whoever has one address of IPv6 has all that share its first 64 bits.

    :param address: Twisted's; one without a host, as of a local socket, is the same client always.
    """
    return _network(str(getattr(address, "host", "")))


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return host
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
