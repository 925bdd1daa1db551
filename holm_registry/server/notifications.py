"""
Notifications put together: who wants to hear of what, and the queues between.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from twisted.logger import Logger

from holm_registry.config.model import Config, NotificationEndpointSection
from holm_registry.notifications.events import is_event
from holm_registry.notifications.queue import EventQueue
from holm_registry.notifications.queue_directories import QueueDirectories, queue_folder
from holm_registry.notifications.sender import EndpointSender
from holm_registry.notifications.sink import NotificationSink, Subscription
from holm_registry.notifications.webhook import make_sender
from holm_registry.storage import layout
from holm_registry.storage.directory_removal import NO_SPACE
from holm_registry.threads import PooledThreads, Threads

_log = Logger()

#: Couriers read and write small files only.
_COURIER_THREADS = 1


class Notifications:
    """
    The notifications of a registry.

    :ivar broadcaster: Takes events; a service that delivers them.
    :ivar couriers: Who delivers: one for each endpoint, and for what another process has left.
    """

    def __init__(self, config: Config, reactor: Any, threads: Threads) -> None:
        self._reactor = reactor
        self._threads = PooledThreads(reactor, _COURIER_THREADS)
        self._spool = self._begin(config)
        self.couriers: list[EndpointSender] = []
        channels = [
            self._channel(each) for each in config.notifications.endpoints if not each.disabled
        ]
        self.broadcaster = NotificationSink(channels, reactor, threads, self._threads)
        for folder in self._spool.left:
            for each in config.notifications.endpoints:
                if not each.disabled:
                    self._courier(each, folder).setServiceParent(self.broadcaster)

    def _begin(self, config: Config) -> QueueDirectories:
        """Take the folders of this process; where the volume has no room, elsewhere."""
        try:
            spool = QueueDirectories(self._folder(config))
            for each in config.notifications.endpoints:
                os.makedirs(queue_folder(spool.own, each.name), exist_ok=True)
        except OSError as problem:
            if problem.errno not in NO_SPACE:
                raise
            _log.warn(
                "notifications: {reason}: kept in memory until the process ends",
                reason=problem.strerror,
            )
            spool = QueueDirectories(self._temporary_folder())
        return spool

    def _temporary_folder(self) -> str:
        self._temporary = tempfile.TemporaryDirectory(prefix="holm-events-")
        return self._temporary.name

    def _folder(self, config: Config) -> str:
        storage = config.storage
        if storage.filesystem is None or storage.maintenance.readonly.enabled:
            # What is to be delivered lasts no longer than the store does, or may not lie there.
            return self._temporary_folder()
        return f"{storage.filesystem.rootdirectory.rstrip('/')}/{layout.MAINTENANCE}/events"

    def _channel(self, endpoint: NotificationEndpointSection) -> Subscription:
        return Subscription(
            self._courier(endpoint, self._spool.own),
            frozenset(endpoint.ignore.actions),
            frozenset((*endpoint.ignore.mediatypes, *endpoint.ignoredmediatypes)),
        )

    def _courier(self, endpoint: NotificationEndpointSection, folder: str) -> EndpointSender:
        courier = EndpointSender(
            endpoint.name,
            EventQueue(queue_folder(folder, endpoint.name), is_readable=is_event),
            post=make_sender(self._reactor, endpoint.url, endpoint.headers, endpoint.timeout),
            reactor=self._reactor,
            threads=self._threads,
            backoff_seconds=endpoint.backoff,
            threshold=endpoint.threshold,
        )
        self.couriers.append(courier)
        return courier
