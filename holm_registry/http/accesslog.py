from __future__ import annotations

from typing import Any

from twisted.web.http import datetimeToLogString


def combined(request: Any, seconds: float) -> str:
    """
    Write a request as a line of Apache's combined log format.

    The user is always ``-``: who is not for this log to say.

    :param seconds: The time, since the epoch.
    """
    length = request.sentLength or "-"
    line = b" ".join((request.method, request.uri, request.clientproto))
    return (
        f"{_peer(request)} - - {datetimeToLogString(seconds)} "
        f'"{_escaped(line)}" {request.code} {length} '
        f'"{_escaped(request.getHeader(b"referer") or b"-")}" '
        f'"{_escaped(request.getHeader(b"user-agent") or b"-")}"\n'
    )


def _peer(request: Any) -> str:
    address = request.getClientAddress()
    # An IPv4 client of a socket that listens on both looks like ::ffff:192.0.2.1.
    return str(getattr(address, "host", "-")).removeprefix("::ffff:")


def _escaped(text: bytes) -> str:
    """Make bytes from a client fit into quotes on one line."""
    return text.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', '\\"')
