from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.logger import Logger

from holm_registry.threads import PooledThreads

from .checks import Check, Degraded

#: How long a look may take, in seconds.
TIMEOUT_SECONDS = 30.0

_LEAST_SECONDS = 0.1

_log = Logger()


@frozen
class Scheduled:
    """
    A check, and how often it is made.

    :ivar threshold: From how many failures in a row on it counts.
    """

    check: Check
    interval_seconds: float
    threshold: int = 1


@frozen
class FailedCheck:
    """
    A check that fails, and why.

    :ivar still_serves: Whether clients should go on all the same: a full disk can be pulled from.
    """

    check: Check
    reason: str
    still_serves: bool = False


@define
class _ScheduledCheck:
    """What is under way for one check."""

    scheduled: Scheduled
    call: Any = None
    looking: Deferred[None] | None = None
    failures: int = 0
    reason: str = ""
    still_serves: bool = False


class HealthMonitor(Service):
    """
    Makes checks again and again.

    One that does not come to an end counts as failed, and is not made again before it has ended: a
    store that hangs must not collect threads.

    :param threads: What the checks work with: begun and ended with this service.
    """

    def __init__(
        self, reactor: Any, checks: Sequence[Scheduled], threads: PooledThreads | None = None
    ) -> None:
        self._reactor = reactor
        self._threads = threads
        self._turns = [_ScheduledCheck(scheduled) for scheduled in checks]

    def failing(self) -> list[FailedCheck]:
        """Tell what is not well just now."""
        return [
            FailedCheck(turn.scheduled.check, turn.reason, turn.still_serves)
            for turn in self._turns
            if turn.failures >= max(1, turn.scheduled.threshold)
        ]

    def startService(self) -> None:
        """Begin to look, at once."""
        super().startService()
        if self._threads is not None:
            self._threads.start()
        for turn in self._turns:
            self._begin(turn)

    def stopService(self) -> Deferred[None] | None:
        """Look no more."""
        super().stopService()
        for turn in self._turns:
            if turn.call is not None and turn.call.active():
                turn.call.cancel()
        return None if self._threads is None else self._threads.stop()

    def _begin(self, turn: _ScheduledCheck) -> None:
        scheduled = turn.scheduled
        interval = max(scheduled.interval_seconds, _LEAST_SECONDS)
        turn.call = self._reactor.callLater(interval, self._begin, turn)
        if turn.looking is not None:
            self._note(turn, "it does not answer")
            return
        looking = turn.looking = Deferred.fromCoroutine(scheduled.check.look())
        answered: Deferred[None] = Deferred()
        looking.addBoth(self._ended, turn, answered)
        answered.addTimeout(TIMEOUT_SECONDS, self._reactor)
        answered.addCallbacks(
            lambda _: self._note(turn, ""),
            lambda failure: self._note(
                turn, _reason(failure.value), still_serves=failure.check(Degraded) is not None
            ),
        )

    def _ended(self, result: Any, turn: _ScheduledCheck, answered: Deferred[None]) -> None:
        turn.looking = None
        if not answered.called:
            answered.callback(result)

    def _note(self, turn: _ScheduledCheck, reason: str, *, still_serves: bool = False) -> None:
        turn.still_serves = still_serves
        was_failing = turn.failures >= max(1, turn.scheduled.threshold)
        turn.failures = turn.failures + 1 if reason else 0
        turn.reason = reason
        is_failing = turn.failures >= max(1, turn.scheduled.threshold)
        if is_failing and not was_failing:
            _log.error("health: {name}: {reason}", name=turn.scheduled.check.name, reason=reason)
        elif was_failing and not is_failing:
            _log.info("health: {name} is well again", name=turn.scheduled.check.name)


def _reason(problem: BaseException) -> str:
    if isinstance(problem, DeferredTimeout | ConnectTimeout):
        return "it does not answer"
    return str(problem).strip().rstrip(".") or type(problem).__name__
