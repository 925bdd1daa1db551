"""
Notifications put together: who wants to hear of what, and the queues between.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from twisted.logger import Logger

from .config.model import Config, NotificationEndpoint
from .events.broadcaster import Broadcaster, Channel
from .events.courier import Courier
from .events.envelope import is_event
from .events.post import poster
from .events.queue import EventQueue
from .events.spool import Spool, queue_folder
from .storage import layout
from .storage.removal import NO_SPACE
from .threads import PooledThreads, Threads

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
        self.couriers: list[Courier] = []
        channels = [
            self._channel(each) for each in config.notifications.endpoints if not each.disabled
        ]
        self.broadcaster = Broadcaster(channels, reactor, threads, self._threads)
        for folder in self._spool.left:
            for each in config.notifications.endpoints:
                if not each.disabled:
                    self._courier(each, folder).setServiceParent(self.broadcaster)

    def _begin(self, config: Config) -> Spool:
        """Take the folders of this process; where the volume has no room, elsewhere."""
        try:
            spool = Spool(self._folder(config))
            for each in config.notifications.endpoints:
                os.makedirs(queue_folder(spool.own, each.name), exist_ok=True)
        except OSError as problem:
            if problem.errno not in NO_SPACE:
                raise
            _log.warn(
                "notifications: {reason}: kept in memory until the process ends",
                reason=problem.strerror,
            )
            spool = Spool(self._temporary_folder())
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

    def _channel(self, endpoint: NotificationEndpoint) -> Channel:
        return Channel(
            self._courier(endpoint, self._spool.own),
            frozenset(endpoint.ignore.actions),
            frozenset((*endpoint.ignore.mediatypes, *endpoint.ignoredmediatypes)),
        )

    def _courier(self, endpoint: NotificationEndpoint, folder: str) -> Courier:
        courier = Courier(
            endpoint.name,
            EventQueue(queue_folder(folder, endpoint.name), is_readable=is_event),
            post=poster(self._reactor, endpoint.url, endpoint.headers, endpoint.timeout),
            reactor=self._reactor,
            threads=self._threads,
            backoff_seconds=endpoint.backoff,
            threshold=endpoint.threshold,
        )
        self.couriers.append(courier)
        return courier
