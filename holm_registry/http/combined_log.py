from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from twisted.web.http import datetimeToLogString

#: What fits into quotes on one line as it is, as nearly everything does.
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")


def format_combined(request: Any, seconds: float) -> str:
    """
    Write a request as a line of Apache's combined log format, with the request's id behind it.

    The user is always ``-``: who is not for this log to say.

    :param seconds: The time, since the epoch.
    """
    length = request.sentLength or "-"
    return (
        f"{request.client_host or '-'} - - {_written(int(seconds))} "
        f'"{_escaped(request.first_line)}" {request.code} {length} '
        f'"{_escaped(request.getHeader(b"referer") or b"-")}" '
        f'"{_escaped(request.getHeader(b"user-agent") or b"-")}" {request.request_id}\n'
    )


@lru_cache(maxsize=1)
def _written(seconds: int) -> str:
    """Write a time, which is the same for many requests."""
    return str(datetimeToLogString(seconds))


def _escaped(text: bytes) -> str:
    """Make bytes from a client fit into quotes on one line."""
    if _PLAIN.fullmatch(text):
        return text.decode("ascii")
    return text.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', '\\"')
