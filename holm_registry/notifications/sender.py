"""
Delivering what waits for one endpoint, one event after the other, for as long as it takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.threads import Threads

from .events import make_envelope
from .queue import EventQueue, QueueEntry

#: The longest wait between two tries, in seconds.
MAX_WAIT_SECONDS = 300.0

#: How often an event is tried that the endpoint refuses (4xx) before it is given up.
MAX_REFUSALS = 10

#: Refusals that mean "later", not "never".
_LATER = frozenset({408, 425, 429})

_log = Logger()


class EndpointSender(Service):
    """
    Delivers to one endpoint.

    :param post: Sends an envelope, and gives the status of the answer.
    :param backoff_seconds: How long to wait after a failure.
    :param threshold: From how many failures in a row on the wait doubles each time.
    :ivar statuses: How many answers of each status there were.
    :ivar successes: How many were delivered.
    :ivar failures: How many tries were in vain.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        name: str,
        queue: EventQueue,
        *,
        post: Callable[[bytes], Awaitable[int]],
        reactor: Any,
        threads: Threads,
        backoff_seconds: float,
        threshold: int,
    ) -> None:
        self.endpoint = name
        self.queue = queue
        self._post = post
        self._reactor = reactor
        self._threads = threads
        self._backoff_seconds = backoff_seconds
        self._threshold = max(1, threshold)
        self._running: Deferred[None] | None = None
        self._asleep: Deferred[None] | None = None
        self._is_woken = False
        self._in_a_row = 0
        self._damaged = 0
        self.statuses: Counter[str] = Counter()
        self.successes = 0
        self.failures = 0

    def startService(self) -> None:
        """Begin with what is left from before."""
        super().startService()
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(_ended)

    def stopService(self) -> None:
        """Break off: what is not delivered is left for the next start."""
        super().stopService()
        if self._running is not None:
            self._running.cancel()

    def wake(self) -> None:
        """Look into the queue: something was put there."""
        self._is_woken = True
        if self._asleep is not None:
            asleep, self._asleep = self._asleep, None
            asleep.callback(None)

    async def _run(self) -> None:
        while True:
            self._is_woken = False
            try:
                entry = await self._threads.run(self.queue.peek)
                self._tell_of_damage()
                if entry is not None:
                    await self._deliver(entry)
            except OSError as problem:
                _log.error("notifications: {name}: {problem}", name=self.endpoint, problem=problem)
                await self._sleep(MAX_WAIT_SECONDS)
                continue
            if entry is None and not self._is_woken:
                self._asleep = Deferred()
                await self._asleep

    def _tell_of_damage(self) -> None:
        count, self._damaged = self.queue.damaged - self._damaged, self.queue.damaged
        if count:
            _log.error(
                "notifications: {name}: {count} lines of the queue could not be read, and were "
                "set aside in its folder",
                name=self.endpoint,
                count=count,
            )

    async def _deliver(self, entry: QueueEntry) -> None:
        refusals = 0
        while True:
            status = await self._try(entry.line)
            if 200 <= status < 400:
                self._succeeded()
                await self._threads.run(self.queue.advance, entry)
                return
            refusals += 400 <= status < 500 and status not in _LATER
            if refusals >= MAX_REFUSALS:
                _log.error("notifications: {name} refuses an event for good", name=self.endpoint)
                await self._threads.run(self.queue.bury, entry)
                return
            await self._sleep(self._wait())

    async def _try(self, line: bytes) -> int:
        """Send an event; give the status of the answer, 0 if there was none."""
        try:
            status = await self._post(make_envelope(line))
        except CancelledError:
            raise
        except Exception as problem:  # noqa: BLE001 - whatever the network comes up with
            self._failed(str(problem) or type(problem).__name__)
            return 0
        self.statuses[str(status)] += 1
        if not 200 <= status < 400:
            self._failed(f"status {status}")
        return status

    def _succeeded(self) -> None:
        self.successes += 1
        if self._in_a_row >= self._threshold:
            _log.info("notifications: {name} takes events again", name=self.endpoint)
        self._in_a_row = 0

    def _failed(self, reason: str) -> None:
        self.failures += 1
        self._in_a_row += 1
        if self._in_a_row == self._threshold:
            _log.warn(
                "notifications: {name} takes no events: {reason}", name=self.endpoint, reason=reason
            )

    def _wait(self) -> float:
        doublings = max(0, self._in_a_row - self._threshold)
        return min(MAX_WAIT_SECONDS, self._backoff_seconds * 2.0 ** min(doublings, 30))

    async def _sleep(self, seconds: float) -> None:
        done: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._reactor.callLater(seconds, done.callback, None)
        await done


def _ended(failure: Failure) -> None:
    if not failure.check(CancelledError):
        _log.failure("notifications end", failure)
