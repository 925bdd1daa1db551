"""
The registry put together and run: store, threads, site, and the way up and down.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger

from .api.app import ApiResource
from .api.context import Context
from .api.locations import Locations
from .config.model import Config, ManifestValidation
from .config.storage import Storage
from .content.registry import Registry
from .content.validation import Validation
from .http.site import StreamingSite
from .listen import listen
from .logs import AccessLog
from .registry_tap import fail
from .storage.driver import Driver
from .storage.filesystem import Filesystem
from .storage.memory import Memory
from .storage.readonly import ReadOnly
from .threads import PooledThreads

#: The most threads worth having: they wait for disks, or hash, and there are few of either.
MAX_THREADS = 16

_log = Logger()


def build_site(config: Config, reactor: Any) -> tuple[StreamingSite, PooledThreads]:
    """Make the site that serves a configuration, and the threads it works with."""
    storage = config.storage
    wanted = storage.filesystem.maxthreads if storage.filesystem is not None else MAX_THREADS
    threads = PooledThreads(reactor, min(wanted, MAX_THREADS))
    prefix = config.http.prefix or "/"
    host = "" if config.http.relativeurls else config.http.host.rstrip("/")
    context = Context(
        Registry(build_driver(storage), build_validation(config.validation)),
        threads,
        locations=Locations(host, prefix.rstrip("/")),
        deletes=storage.delete.enabled,
        read_only=storage.maintenance.readonly.enabled,
        max_catalog=config.catalog.maxentries,
        max_tags=config.tags.maxtags,
    )
    resource = ApiResource(context, config.http.headers, prefix)
    # Standard output is twistd's to redirect; what it was at the start is where the log belongs.
    write_log = None if config.log.accesslog.disabled else AccessLog(sys.__stdout__).write  # type: ignore[arg-type] # a daemon has none, and disables it
    return StreamingSite(resource, reactor, write_log=write_log), threads


def build_driver(storage: Storage) -> Driver:
    """Make the store of a configuration."""
    if storage.filesystem is None:
        return Memory()
    files = Filesystem(storage.filesystem.rootdirectory.rstrip("/"))
    return ReadOnly(files) if storage.maintenance.readonly.enabled else files


def build_validation(validation: ManifestValidation) -> Validation:
    """Make the rules for manifests of a configuration."""
    urls, indexes = validation.manifests.urls, validation.manifests.indexes
    return Validation(
        disabled=validation.disabled,
        allow=tuple(map(re.compile, urls.allow)),
        deny=tuple(map(re.compile, urls.deny)),
        platforms=indexes.platforms,
        platform_list=frozenset((each.architecture, each.os) for each in indexes.platformlist),
    )


class RegistryService(Service):
    """
    Listens, serves, and on the way down finishes what is in flight.

    :param drain_seconds: How long to wait for requests in flight when stopping.
    :param greeting: The line to log when serving begins.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        reactor: Any,
        site: StreamingSite,
        threads: PooledThreads,
        *,
        where: IStreamServerEndpoint,
        drain_seconds: float,
        greeting: str,
        warnings: Sequence[str] = (),
    ) -> None:
        self._reactor = reactor
        self._site = site
        self._threads = threads
        self._where = where
        self._drain_seconds = drain_seconds
        self._greeting = greeting
        self._warnings = warnings
        self._port: IListeningPort | None = None

    @property
    def port(self) -> IListeningPort:
        """The listening port; only while running."""
        assert self._port is not None, "the service is not running"  # noqa: S101
        return self._port

    def privilegedStartService(self) -> None:
        """Listen, while ports below 1024 may still be had; end with a line if that fails."""
        try:
            self._port = listen(self._where, self._site)
        except CannotListenError as problem:
            fail(f"http.addr: cannot listen on {_tried(problem)}: {problem.socketError}")

    def startService(self) -> None:
        """Serve."""
        super().startService()
        if self._port is None:
            self.privilegedStartService()
        self._threads.start()
        for warning in self._warnings:
            _log.warn("{warning}", warning=warning)
        _log.info(
            "{greeting}, listening on {where}",
            greeting=self._greeting,
            where=_address(self.port.getHost()),
        )

    def stopService(self) -> Deferred[None]:
        """Take no more connections, finish what is in flight within bounds, and end."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await maybeDeferred(self.port.stopListening)
        self._port = None
        drained = self._site.drained()
        try:
            await drained.addTimeout(self._drain_seconds, self._reactor)
        except DeferredTimeout:
            _log.warn("stopping with requests still in flight")
        self._threads.stop()


def _tried(problem: CannotListenError) -> str:
    host = str(problem.interface or "")
    return f"{_bracketed(host)}:{problem.port}" if problem.port else host


def _address(address: Any) -> str:
    if not hasattr(address, "port"):
        return os.fsdecode(address.name)
    return f"{_bracketed(address.host)}:{address.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
