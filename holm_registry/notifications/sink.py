"""
Write each event to the queues of the endpoints that are subscribed to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from holm_registry.threads import PooledThreads, Threads

from .events import Event, encode_event
from .sender import EndpointSender

#: How long events of pulls are collected before they are written, in seconds; and how many at most.
BATCH_SECONDS = 0.1
MAX_BATCH = 10_000

_log = Logger()


@frozen
class Subscription:
    """
    An endpoint, and the events that it ignores.

    :ivar ignored_actions: ``pull``, ``push``, ``mount``, ``delete``.
    :ivar ignored_media_types: Media types of the events' targets.
    """

    sender: EndpointSender
    ignored_actions: frozenset[str] = frozenset()
    ignored_media_types: frozenset[str] = frozenset()

    def accepts(self, event: Event) -> bool:
        """Whether the endpoint receives an event."""
        return (
            event.action not in self.ignored_actions
            and event.target.media_type not in self.ignored_media_types
        )


class NotificationSink(MultiService):
    """
    Writes events to queues, and runs the senders that deliver them.

    An event of a push, mount or deletion is in the queues before the request is answered, so that a
    restart does not lose it. Events of pulls are written in batches, since there are thousands, and
    no request waits for them. No request waits for an endpoint, or fails because of one.

    :param threads: Where queues are written; the threads of requests.
    :param sender_threads: Where queues are read; started and stopped with this service.
    :ivar lost: How many events could not be written to a queue.
    """

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        reactor: IReactorTime,
        threads: Threads,
        sender_threads: PooledThreads | None = None,
    ) -> None:
        super().__init__()
        self.subscriptions = subscriptions
        self._reactor = reactor
        self._threads = threads
        self._sender_threads = sender_threads
        self._batch: list[Event] = []
        self._call: IDelayedCall | None = None
        self.lost = 0
        for subscription in subscriptions:
            subscription.sender.setServiceParent(self)

    async def publish(self, event: Event) -> None:
        """Write an event to the queues; the result comes when it is there."""
        await self._threads.run(self._append, [event])
        self._wake()

    def publish_soon(self, event: Event) -> None:
        """Add an event to the batch that is written after :data:`BATCH_SECONDS`."""
        if len(self._batch) >= MAX_BATCH:
            self.lost += 1
            return
        self._batch.append(event)
        if self._call is None:
            self._call = self._reactor.callLater(BATCH_SECONDS, self._flush)

    def startService(self) -> None:
        """Start delivering."""
        if self._sender_threads is not None:
            self._sender_threads.start()
        super().startService()

    def stopService(self) -> Any:
        """Stop delivering, and write the last batch, for delivery after the next start."""
        stopped = super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None
            # In the reactor, since the threads may have stopped before this service.
            self._append(self._take_batch())
        if self._sender_threads is None:
            return stopped
        threads = self._sender_threads
        return maybeDeferred(lambda: stopped).addBoth(lambda _: threads.stop())

    def _flush(self) -> None:
        self._call = None
        writing = self._threads.run(self._append, self._take_batch())
        writing.addCallback(lambda _: self._wake())
        writing.addErrback(lambda failure: _log.failure("notifications", failure))

    def _take_batch(self) -> list[Event]:
        batch, self._batch = self._batch, []
        return batch

    def _append(self, events: list[Event]) -> None:
        for event in events:
            line = encode_event(event)
            for subscription in self.subscriptions:
                if subscription.accepts(event):
                    self._put(subscription, line)

    def _put(self, subscription: Subscription, line: bytes) -> None:
        try:
            subscription.sender.queue.append(line)
        except OSError as problem:
            # The push itself was stored, and must not fail because of its event.
            self.lost += 1
            _log.error(
                "notifications: lost an event for {name}: {problem}",
                name=subscription.sender.endpoint,
                problem=problem.strerror or str(problem),
            )

    def _wake(self) -> None:
        for subscription in self.subscriptions:
            subscription.sender.wake()
