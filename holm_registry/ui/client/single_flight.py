"""
Work that several visitors wait for and that is done once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.ui.errors import UiError

_log = Logger()


class BackgroundSlots:
    """
    How much may be done at the same time behind the pages, for all visitors together.

    :param limit: How many pieces of work.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit

    def begin(
        self, flights: SingleFlight, key: Hashable, start: Callable[[], Awaitable[object]]
    ) -> None:
        """Start a piece of work behind the pages, if there is a place for it; else another time."""
        if self._free <= 0 or flights.in_progress(key):
            return
        self._free -= 1

        async def run() -> None:
            try:
                await start()
            finally:
                self._free += 1

        flights.begin(key, run)


class SingleFlight:
    """Joins those who want the same to the one who began it."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[Deferred[None]]] = {}
        self._background: dict[Hashable, Deferred[None]] = {}

    def join(
        self, key: Hashable, start: Callable[[], Awaitable[object]], *, background: bool = False
    ) -> Deferred[None]:
        """
        Wait for a piece of work, starting it if it is not in progress.

        It goes on when no caller waits any more: what it learns will be needed again.

        :param background: Whether it is background work, which ends with its visitor.
        """
        waiting = self._waiting.get(key)
        begins = waiting is None
        if waiting is None:
            waiting = self._waiting[key] = []
        mine: Deferred[None] = Deferred(waiting.remove)
        waiting.append(mine)
        if begins:
            running = _started(start)
            if background:
                self._background[key] = running
            running.addBoth(self._land, key)
        return mine

    def begin(self, key: Hashable, start: Callable[[], Awaitable[object]]) -> None:
        """Start a piece of work unless it is in progress, and do not wait."""
        if not self.in_progress(key):
            self.join(key, start, background=True).addErrback(log_unexpected)

    def cancel(self) -> None:
        """End what was started in the background; for those who wait for it, it is as if done."""
        for running in list(self._background.values()):
            running.cancel()

    def in_progress(self, key: Hashable) -> bool:
        """Return whether it is in progress."""
        return key in self._waiting

    def _land(self, result: Failure | None, key: Hashable) -> None:
        waiting = self._waiting.pop(key)
        self._background.pop(key, None)
        if isinstance(result, Failure) and not waiting:
            log_unexpected(result)
        # A callback may cancel other waiters, which are then not in the list any more.
        while waiting:
            each = waiting.pop(0)
            if isinstance(result, Failure) and not result.check(CancelledError):
                each.errback(Failure(result.value))
            else:
                each.callback(None)


def with_deadline(
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
                log_unexpected(result)
            return
        patience.cancel()
        if isinstance(result, Failure):
            outcome.errback(result)
        else:
            outcome.callback(True)  # noqa: FBT003 - a result

    patience = clock.callLater(seconds, lambda: outcome.callback(False))  # noqa: FBT003
    _started(start).addBoth(done)
    return outcome


def log_unexpected(failure: Failure) -> None:
    """Log what is a fault of ours; what the registry did wrong is shown where it matters."""
    if not failure.check(UiError, CancelledError):
        _log.failure("in the background", failure)


def _started(start: Callable[[], Awaitable[object]]) -> Deferred[None]:
    async def run() -> None:
        await start()

    return Deferred.fromCoroutine(run())
