"""
Deliver the events of one queue to its endpoint, in order, with retries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from twisted.application.internet import backoffPolicy
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.threads import Threads

from .events import make_envelope
from .queue import EventQueue, QueueEntry

#: The longest wait between two attempts, in seconds.
MAX_BACKOFF_SECONDS = 300.0

#: After how many answers of 4xx an event becomes a dead letter.
MAX_REFUSALS = 10

#: Statuses of 4xx that ask for a later attempt: they do not count as refusals.
_RETRYABLE = frozenset({408, 425, 429})

_log = Logger()


class EndpointSender(Service):
    """
    Delivers events to one endpoint.

    :param send: Sends an envelope and returns the status of the response.
    :param backoff_seconds: How long to wait after a failed attempt.
    :param threshold: After how many consecutive failures the wait doubles each time.
    :ivar statuses: The number of responses, by status.
    :ivar successes: The number of events that were delivered.
    :ivar failures: The number of attempts that failed.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        name: str,
        queue: EventQueue,
        *,
        send: Callable[[bytes], Awaitable[int]],
        reactor: IReactorTime,
        threads: Threads,
        backoff_seconds: float,
        threshold: int,
    ) -> None:
        self.endpoint = name
        self.queue = queue
        self._send = send
        self._reactor = reactor
        self._threads = threads
        # No jitter: each endpoint has one sender.
        self._backoff = backoffPolicy(backoff_seconds, MAX_BACKOFF_SECONDS, 2.0, lambda: 0.0)
        self._threshold = max(1, threshold)
        self._delivery: Deferred[None] | None = None
        self._waiting: Deferred[None] | None = None
        self._is_woken = False
        self._consecutive_failures = 0
        self._damaged = 0
        self.statuses: Counter[str] = Counter()
        self.successes = 0
        self.failures = 0

    def startService(self) -> None:
        """Start delivering, with the events that an earlier process left."""
        super().startService()
        self._delivery = Deferred.fromCoroutine(self._run())
        self._delivery.addErrback(_log_end)

    def stopService(self) -> None:
        """Cancel the delivery: events that were not delivered wait for the next start."""
        super().stopService()
        if self._delivery is not None:
            self._delivery.cancel()

    def wake(self) -> None:
        """Read the queue: an event was added."""
        self._is_woken = True
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    async def _run(self) -> None:
        while True:
            self._is_woken = False
            try:
                entry = await self._threads.run(self.queue.peek)
                self._log_damage()
                if entry is not None:
                    await self._deliver(entry)
            except OSError as problem:
                _log.error("notifications: {name}: {problem}", name=self.endpoint, problem=problem)
                await self._sleep(MAX_BACKOFF_SECONDS)
                continue
            if entry is None and not self._is_woken:
                self._waiting = Deferred()
                await self._waiting

    def _log_damage(self) -> None:
        count, self._damaged = self.queue.damaged - self._damaged, self.queue.damaged
        if count:
            _log.error(
                "notifications: {name}: {count} lines of the queue could not be read; they are "
                "kept in the file damaged of its directory",
                name=self.endpoint,
                count=count,
            )

    async def _deliver(self, entry: QueueEntry) -> None:
        refusals = 0
        while True:
            status = await self._attempt(entry.line)
            if 200 <= status < 400:
                self._succeeded()
                await self._threads.run(self.queue.advance, entry)
                return
            refusals += 400 <= status < 500 and status not in _RETRYABLE
            if refusals >= MAX_REFUSALS:
                _log.error(
                    "notifications: {name} refused an event {count} times; it is a dead letter",
                    name=self.endpoint,
                    count=refusals,
                )
                await self._threads.run(self.queue.dead_letter, entry)
                return
            await self._sleep(self._backoff(max(0, self._consecutive_failures - self._threshold)))

    async def _attempt(self, line: bytes) -> int:
        """Send an event; return the status of the response, 0 if there was none."""
        try:
            status = await self._send(make_envelope(line))
        except CancelledError:
            raise
        except Exception as problem:  # noqa: BLE001 - every network error is a failed attempt
            self._failed(str(problem) or type(problem).__name__)
            return 0
        self.statuses[str(status)] += 1
        if not 200 <= status < 400:
            self._failed(f"status {status}")
        return status

    def _succeeded(self) -> None:
        self.successes += 1
        if self._consecutive_failures >= self._threshold:
            _log.info("notifications: {name} accepts events again", name=self.endpoint)
        self._consecutive_failures = 0

    def _failed(self, reason: str) -> None:
        self.failures += 1
        self._consecutive_failures += 1
        if self._consecutive_failures == self._threshold:
            _log.warn(
                "notifications: {name} does not accept events: {reason}",
                name=self.endpoint,
                reason=reason,
            )

    async def _sleep(self, seconds: float) -> None:
        done: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, done.callback, None)
        await done


def _log_end(failure: Failure) -> None:
    if not failure.check(CancelledError):
        _log.failure("notifications: delivery has ended", failure)
