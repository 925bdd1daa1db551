"""
The log of refused requests: why each answer of 400 to 499 was given.
"""

from __future__ import annotations

from math import inf
from typing import Any

from attrs import define
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

#: In how long a time, in seconds, how many refusals of reads are logged, and as many of writes.
PERIOD_SECONDS = 10.0
MAX_LINES = 100

#: The longest path and reason in a line, in characters.
_MAX_TEXT = 1000

_WRITES = (b"POST", b"PUT", b"PATCH", b"DELETE")

_log = Logger()


@define
class _Period:
    level: LogLevel
    ends: float = -inf
    logged: int = 0
    suppressed: int = 0


class ClientErrorLog:
    """
    Logs refusals: those of writes at ``info``, those of reads at ``debug``.

    A line has the method, the path, the reason, the user, the address and the request's id. It has
    neither headers nor the query, where a login might be. The number of lines is bounded; what is
    left out is counted, and the count is logged.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._reads = _Period(LogLevel.debug)
        self._writes = _Period(LogLevel.info)

    def log(self, request: Any, status: int, reason: str) -> None:
        """
        Log the refusal of a request, if the status is that of one.

        :param reason: Texts that the client chose may be in it, and nothing secret.
        """
        if 400 <= status < 500:
            path = request.uri.partition(b"?")[0]
            who = (request.request_id, request.actor, request.peer)
            self._write(request.method, path, f"{status} {reason}", *who)

    def log_unparsed(self, line: bytes, request: Any, status: int, reason: str) -> None:
        """
        Log the refusal of what did not become a request.

        :param line: Its first line, as far as it was read.
        :param request: What was read of it.
        """
        method, _, target = line.partition(b" ")
        path = target.partition(b" ")[0].partition(b"?")[0]
        self._write(method, path, f"{status} {reason}", request.request_id, "", request.peer)

    def _write(  # noqa: PLR0913, PLR0917 - the columns of a line
        self, method: bytes, path: bytes, reason: str, request_id: str, user: str, address: str
    ) -> None:
        period = self._writes if method in _WRITES else self._reads
        if self._has_room(period):
            _log.emit(
                period.level,
                "refused: {method} {path}: {reason} "
                "(request {request_id}, user {user}, from {address})",
                method=_printable(method.decode("latin-1")) or "-",
                path=_printable(path.decode("latin-1")) or "-",
                reason=_printable(reason),
                request_id=request_id,
                user=_printable(user) or "-",
                address=address or "-",
            )

    def _has_room(self, period: _Period) -> bool:
        now = self._clock.seconds()
        if now >= period.ends:
            period.ends, period.logged = now + PERIOD_SECONDS, 0
        if period.logged < MAX_LINES:
            period.logged += 1
            return True
        if not period.suppressed:
            self._clock.callLater(period.ends - now, self._tell, period)
        period.suppressed += 1
        return False

    def _tell(self, period: _Period) -> None:
        count, period.suppressed = period.suppressed, 0
        _log.emit(period.level, "{count} more refused requests were not logged", count=count)


def _printable(text: str) -> str:
    """Make a text that a client may have chosen fit into one line."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[:_MAX_TEXT]
    )
