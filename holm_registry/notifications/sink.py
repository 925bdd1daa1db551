"""
Putting what happens into the queues of those who want to hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from holm_registry.threads import PooledThreads, Threads

from .events import Event, encode_event
from .sender import EndpointSender

#: How long what nobody waits for may be gathered, in seconds, and how much of it.
GATHER_SECONDS = 0.1
MAX_GATHERED = 10_000

_log = Logger()


@frozen
class Subscription:
    """
    An endpoint, and what it does not want to hear.

    :ivar ignored_actions: ``pull``, ``push``, ``mount``, ``delete``.
    :ivar ignored_media_types: Of targets.
    """

    courier: EndpointSender
    ignored_actions: frozenset[str] = frozenset()
    ignored_media_types: frozenset[str] = frozenset()

    def wants(self, event: Event) -> bool:
        """Tell whether it wants to hear of something."""
        return (
            event.action not in self.ignored_actions
            and event.target.media_type not in self.ignored_media_types
        )


class NotificationSink(MultiService):
    """
    Takes events.

    What changes something is in the queues before its client is answered, so that a restart loses
    none. Pulls are gathered for a moment: they come by the thousand, and nobody waits for them.
    Neither is ever kept waiting by who is to be told, nor fails for it.

    :param threads: Where queues are written to: those of the requests.
    :param couriers_threads: Where they are read; begun and ended with this service.
    :ivar lost: How many could not be put into a queue.
    """

    def __init__(
        self,
        channels: Sequence[Subscription],
        reactor: Any,
        threads: Threads,
        couriers_threads: PooledThreads | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self._reactor = reactor
        self._threads = threads
        self._couriers_threads = couriers_threads
        self._gathered: list[Event] = []
        self._call: Any = None
        self.lost = 0
        for channel in channels:
            channel.courier.setServiceParent(self)

    async def publish(self, event: Event) -> None:
        """Put an event into the queues before anything goes on."""
        await self._threads.run(self._append, [event])
        self._wake()

    def publish_soon(self, event: Event) -> None:
        """Put an event into the queues in a moment."""
        if len(self._gathered) >= MAX_GATHERED:
            self.lost += 1
            return
        self._gathered.append(event)
        if self._call is None:
            self._call = self._reactor.callLater(GATHER_SECONDS, self._flush)

    def startService(self) -> None:
        """Begin to deliver."""
        if self._couriers_threads is not None:
            self._couriers_threads.start()
        super().startService()

    def stopService(self) -> Any:
        """Deliver no more; what comes still is kept for the next start."""
        stopped = super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None
            # In the reactor, once, at the end: its threads may have ended by then.
            self._append(self._take())
        if self._couriers_threads is None:
            return stopped
        threads = self._couriers_threads
        return maybeDeferred(lambda: stopped).addBoth(lambda _: threads.stop())

    def _flush(self) -> None:
        self._call = None
        writing = self._threads.run(self._append, self._take())
        writing.addCallback(lambda _: self._wake())
        writing.addErrback(lambda failure: _log.failure("notifications", failure))

    def _take(self) -> list[Event]:
        gathered, self._gathered = self._gathered, []
        return gathered

    def _append(self, events: list[Event]) -> None:
        for event in events:
            line = encode_event(event)
            for channel in self.channels:
                if channel.wants(event):
                    self._put(channel, line)

    def _put(self, channel: Subscription, line: bytes) -> None:
        try:
            channel.courier.queue.append(line)
        except OSError as problem:
            # A push must not fail for it; the disk is full for others as well.
            self.lost += 1
            _log.error(
                "notifications: an event for {name} is lost: {problem}",
                name=channel.courier.endpoint,
                problem=problem.strerror or str(problem),
            )

    def _wake(self) -> None:
        for channel in self.channels:
            channel.courier.wake()
