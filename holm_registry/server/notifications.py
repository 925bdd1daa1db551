"""
Put the notifications together: a queue and a sender for each endpoint.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from twisted.logger import Logger

from holm_registry.config.model import Config, NotificationEndpointSection
from holm_registry.notifications.events import is_event
from holm_registry.notifications.queue import EventQueue
from holm_registry.notifications.queue_directories import QueueDirectories, queue_directory
from holm_registry.notifications.sender import EndpointSender
from holm_registry.notifications.sink import NotificationSink, Subscription
from holm_registry.notifications.webhook import make_sender
from holm_registry.storage import layout
from holm_registry.storage.directory_removal import NO_SPACE
from holm_registry.threads import PooledThreads, Threads

_log = Logger()

#: Senders only read and write small files.
_SENDER_THREADS = 1


class Notifications:
    """
    The notifications of a registry.

    :param threads: Where events are written to the queues.
    :ivar sink: Receives the events; a service, which runs the senders.
    :ivar senders: One for each endpoint and directory of queues, those of other processes that have
        ended included.
    """

    def __init__(self, config: Config, reactor: Any, threads: Threads) -> None:
        self._reactor = reactor
        self._threads = PooledThreads(reactor, _SENDER_THREADS)
        self._endpoints = [
            endpoint for endpoint in config.notifications.endpoints if not endpoint.disabled
        ]
        self._directories = self._open_directories(config)
        self.senders: list[EndpointSender] = []
        subscriptions = [self._subscription(endpoint) for endpoint in self._endpoints]
        self.sink = NotificationSink(subscriptions, reactor, threads, self._threads)
        for directory in self._directories.orphaned:
            for endpoint in self._endpoints:
                self._sender(endpoint, directory).setServiceParent(self.sink)

    def _open_directories(self, config: Config) -> QueueDirectories:
        """Lock the directories of this process; use a temporary one where the volume is full."""
        try:
            directories = QueueDirectories(self._root(config))
            for endpoint in self._endpoints:
                os.makedirs(queue_directory(directories.own, endpoint.name), exist_ok=True)
        except OSError as problem:
            if problem.errno not in NO_SPACE:
                raise
            _log.warn(
                "notifications: {reason}: events are kept until this process ends",
                reason=problem.strerror,
            )
            directories = QueueDirectories(self._temporary_root())
        return directories

    def _root(self, config: Config) -> str:
        storage = config.storage
        if storage.filesystem is None or storage.maintenance.readonly.enabled:
            # A store in memory is lost with its events; a read-only one cannot hold them.
            return self._temporary_root()
        return f"{storage.filesystem.rootdirectory.rstrip('/')}/{layout.MAINTENANCE}/events"

    def _temporary_root(self) -> str:
        self._temporary = tempfile.TemporaryDirectory(prefix="holm-events-")
        return self._temporary.name

    def _subscription(self, endpoint: NotificationEndpointSection) -> Subscription:
        return Subscription(
            self._sender(endpoint, self._directories.own),
            frozenset(endpoint.ignore.actions),
            frozenset((*endpoint.ignore.mediatypes, *endpoint.ignoredmediatypes)),
        )

    def _sender(self, endpoint: NotificationEndpointSection, directory: str) -> EndpointSender:
        sender = EndpointSender(
            endpoint.name,
            EventQueue(queue_directory(directory, endpoint.name), is_valid=is_event),
            send=make_sender(self._reactor, endpoint.url, endpoint.headers, endpoint.timeout),
            reactor=self._reactor,
            threads=self._threads,
            backoff_seconds=endpoint.backoff,
            threshold=endpoint.threshold,
        )
        self.senders.append(sender)
        return sender
