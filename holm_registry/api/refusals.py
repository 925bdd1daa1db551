"""
The log of refused requests: why each answer of 400 to 499 was given.
"""

from __future__ import annotations

from itertools import islice
from math import inf
from typing import Any

import msgspec
from attrs import define
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import RegistryError

#: In how long a time, in seconds, how many refusals of reads are logged, and as many of writes.
PERIOD_SECONDS = 10.0
MAX_LINES = 100

#: The longest message or detail in a line, in characters, and how many errors of one answer.
_MAX_TEXT = 1000
_MAX_ERRORS = 5

_READS = (b"GET", b"HEAD", b"OPTIONS")

_log = Logger()


@define
class _Period:
    level: LogLevel
    ends: float = -inf
    logged: int = 0
    suppressed: int = 0


class RefusalLog:
    """
    Logs refusals: those of writes at ``info``, those of reads at ``debug``.

    A line has the method, the path, the error's code, message and detail, the user, the address
    and the request's id. It has neither headers nor the query, where a login might be. The number
    of lines is bounded; what is left out is counted, and the count is logged.
    """

    def __init__(self) -> None:
        self._reads = _Period(LogLevel.debug)
        self._writes = _Period(LogLevel.info)

    def note(self, request: StreamedRequest, error: RegistryError) -> None:
        """Log a refusal, if the status is that of one."""
        if not 400 <= error.status < 500:
            return
        period = self._reads if request.method in _READS else self._writes
        if self._has_room(period, request):
            _log.emit(
                period.level,
                "refused: {method} {path}: {status} {errors} "
                "(request {request_id}, user {user}, from {address})",
                method=_printable(request.method.decode("latin-1")),
                path=_printable(request.path.decode("latin-1")),
                status=error.status,
                errors=_described(error),
                request_id=request.request_id,
                user=_printable(request.actor) or "-",
                address=request.peer,
            )

    def _has_room(self, period: _Period, request: StreamedRequest) -> bool:
        # Any: mypy takes it for None, which it is before a request is handled.
        site: Any = request.site
        clock: IReactorTime = site.reactor
        now = clock.seconds()
        if now >= period.ends:
            period.ends, period.logged = now + PERIOD_SECONDS, 0
        if period.logged < MAX_LINES:
            period.logged += 1
            return True
        if not period.suppressed:
            clock.callLater(period.ends - now, self._tell, period)
        period.suppressed += 1
        return False

    def _tell(self, period: _Period) -> None:
        count, period.suppressed = period.suppressed, 0
        _log.emit(period.level, "{count} more refused requests were not logged", count=count)


def _described(error: RegistryError) -> str:
    """Write the errors of an answer, with their codes, messages and details."""
    entries = islice(error.entries(), _MAX_ERRORS)
    return "; ".join(
        f"{entry.code}: {_printable(entry.message)}{_detail(entry)}" for entry in entries
    )


def _detail(error: RegistryError) -> str:
    if error.detail is None:
        return ""
    return f" {_printable(msgspec.json.encode(error.detail).decode())}"


def _printable(text: str) -> str:
    """Make a text that a client may have chosen fit into one line."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[:_MAX_TEXT]
    )
