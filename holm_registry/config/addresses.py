from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from holm_registry.oci.numbers import parse_decimal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Networks by name. Connections of a local socket count as ``loopback``.
NAMED_NETWORKS = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}


def parse_address(addr: str) -> tuple[str, int]:
    """
    Parse ``host:port`` as Go does: an empty host means all addresses of the machine.

    :raises ValueError: The text is not an address.
    """
    host, colon, port = addr.rpartition(":")
    number = parse_decimal(port) if colon else None
    if number is None or number > 65535:
        raise ValueError("expected host:port with a port up to 65535")
    return host.removeprefix("[").removesuffix("]"), number


def parse_networks(names: Sequence[str]) -> tuple[list[Network], bool]:
    """
    Parse networks: ``10.1.0.0/16``, single addresses, or names of :data:`NAMED_NETWORKS`.

    :return: The networks, and whether they include local sockets.
    :raises ValueError: A text is not a network.
    """
    networks: list[Network] = []
    for name in names:
        for text in NAMED_NETWORKS.get(name, (name,)):
            try:
                networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError:
                supported = ", ".join(NAMED_NETWORKS)
                raise ValueError(
                    f"expected a network such as 10.0.0.0/8, an address, or one of {supported}"
                ) from None
    return networks, "loopback" in names
