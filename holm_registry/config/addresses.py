from __future__ import annotations


def parse_address(addr: str) -> tuple[str, int]:
    """
    Read ``host:port`` as Go does: an empty host is every address of the machine.

    :raises ValueError: It is not one.
    """
    host, colon, port = addr.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("expected host:port with a port up to 65535")
    return host.removeprefix("[").removesuffix("]"), int(port)
