from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.threads import PooledThreads

from .checks import Check, Degraded

#: How long a check may take, in seconds.
TIMEOUT_SECONDS = 30.0

_TIMED_OUT = "timed out"

_MIN_INTERVAL_SECONDS = 0.1

_log = Logger()


@frozen
class ScheduledCheck:
    """
    A check, and when it runs.

    :ivar threshold: After how many consecutive failures the check counts as failed.
    """

    check: Check
    interval_seconds: float
    threshold: int = 1


@frozen
class FailedCheck:
    """
    A check that has failed, and why.

    :ivar is_degraded: Whether clients can still be served in part: a full disk allows pulls.
    """

    check: Check
    reason: str
    is_degraded: bool = False


@define
class _CheckState:
    """
    The state of one check.

    :ivar loop: Starts the check at its interval.
    :ivar result: The result of the run that is in progress.
    :ivar failures: The number of consecutive failures.
    """

    scheduled: ScheduledCheck
    loop: LoopingCall | None = None
    result: Deferred[None] | None = None
    failures: int = 0
    reason: str = ""
    is_degraded: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether the failures have reached the threshold."""
        return self.failures >= max(1, self.scheduled.threshold)


class HealthMonitor(Service):
    """
    Runs checks at their intervals.

    A check that does not end counts as failed, and does not run again before it has ended: a
    storage that hangs must not use up the threads.

    :param threads: The threads of the checks; started and stopped with this service.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        checks: Sequence[ScheduledCheck],
        threads: PooledThreads | None = None,
    ) -> None:
        self._reactor = reactor
        self._threads = threads
        self._states = [_CheckState(scheduled) for scheduled in checks]

    def failing(self) -> list[FailedCheck]:
        """Return the checks that have failed."""
        return [
            FailedCheck(state.scheduled.check, state.reason, state.is_degraded)
            for state in self._states
            if state.has_failed
        ]

    def startService(self) -> None:
        """Run all checks at once, and then at their intervals."""
        super().startService()
        if self._threads is not None:
            self._threads.start()
        for state in self._states:
            seconds = max(state.scheduled.interval_seconds, _MIN_INTERVAL_SECONDS)
            state.loop = LoopingCall(self._start_check, state)
            state.loop.clock = self._reactor
            state.loop.start(seconds).addErrback(_log_end)

    def stopService(self) -> Deferred[None] | None:
        """Run no more checks."""
        super().stopService()
        for state in self._states:
            if state.loop is not None and state.loop.running:
                state.loop.stop()
        return None if self._threads is None else self._threads.stop()

    def _start_check(self, state: _CheckState) -> None:
        if state.result is not None:
            self._record(state, _TIMED_OUT)
            return
        result = state.result = Deferred.fromCoroutine(state.scheduled.check.run())
        # A Deferred of its own: the timeout must not cancel the check, which may be in a thread.
        outcome: Deferred[None] = Deferred()
        result.addBoth(self._ended, state, outcome)
        outcome.addTimeout(TIMEOUT_SECONDS, self._reactor)
        outcome.addCallbacks(
            lambda _: self._record(state, ""),
            lambda failure: self._record(
                state, _reason(failure.value), is_degraded=failure.check(Degraded) is not None
            ),
        )

    def _ended(self, result: Any, state: _CheckState, outcome: Deferred[None]) -> None:
        state.result = None
        if not outcome.called:
            outcome.callback(result)

    def _record(self, state: _CheckState, reason: str, *, is_degraded: bool = False) -> None:
        had_failed = state.has_failed
        state.is_degraded = is_degraded
        state.failures = state.failures + 1 if reason else 0
        state.reason = reason
        name = state.scheduled.check.name
        if state.has_failed and not had_failed:
            _log.error("health: {name}: {reason}", name=name, reason=reason)
        elif had_failed and not state.has_failed:
            _log.info("health: {name} is healthy again", name=name)


def _log_end(failure: Failure) -> None:
    _log.failure("health: a check is not made any more", failure)


def _reason(problem: BaseException) -> str:
    if isinstance(problem, DeferredTimeout | ConnectTimeout):
        return _TIMED_OUT
    return str(problem).strip().rstrip(".") or type(problem).__name__
