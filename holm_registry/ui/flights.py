"""
Work that several visitors wait for and that is done once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .errors import Trouble

_log = Logger()


class Flights:
    """Joins those who want the same to the one who began it."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[Deferred[None]]] = {}

    def join(self, key: Hashable, start: Callable[[], Awaitable[object]]) -> Deferred[None]:
        """
        Wait for a piece of work, starting it if nobody has.

        It goes on when nobody waits any more: what it learns will be wanted again.
        """
        waiting = self._waiting.get(key)
        begins = waiting is None
        if waiting is None:
            waiting = self._waiting[key] = []
        mine: Deferred[None] = Deferred(waiting.remove)
        waiting.append(mine)
        if begins:
            _started(start).addBoth(self._land, key)
        return mine

    def begin(self, key: Hashable, start: Callable[[], Awaitable[object]]) -> None:
        """Start a piece of work, unless somebody is at it, and wait for nothing."""
        if not self.aloft(key):
            self.join(key, start).addErrback(log_unless_trouble)

    def aloft(self, key: Hashable) -> bool:
        """Tell whether somebody is at it."""
        return key in self._waiting

    def _land(self, result: Failure | None, key: Hashable) -> None:
        waiting = self._waiting.pop(key)
        if isinstance(result, Failure) and not waiting:
            log_unless_trouble(result)
        # Whoever is told may have others give up, who are then on the list no more.
        while waiting:
            each = waiting.pop(0)
            if isinstance(result, Failure):
                each.errback(Failure(result.value))
            else:
                each.callback(None)


def patiently(
    clock: IReactorTime, seconds: float, start: Callable[[], Awaitable[object]]
) -> Deferred[bool]:
    """
    Wait for work, but not for long; it goes on all the same.

    :return: Whether it was done in time. A failure in time is passed on.
    """
    outcome: Deferred[bool] = Deferred(lambda _: patience.cancel())

    def done(result: Failure | None) -> None:
        if outcome.called:
            if isinstance(result, Failure):
                log_unless_trouble(result)
            return
        patience.cancel()
        if isinstance(result, Failure):
            outcome.errback(result)
        else:
            outcome.callback(True)  # noqa: FBT003 - a result

    patience = clock.callLater(seconds, lambda: outcome.callback(False))  # noqa: FBT003
    _started(start).addBoth(done)
    return outcome


def log_unless_trouble(failure: Failure) -> None:
    """Log what is a fault of ours; what the registry did wrong is shown where it matters."""
    if not failure.check(Trouble):
        _log.failure("in the background", failure)


def _started(start: Callable[[], Awaitable[object]]) -> Deferred[None]:
    async def run() -> None:
        await start()

    return Deferred.fromCoroutine(run())
