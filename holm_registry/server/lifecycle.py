"""
The order in which the parts of a process start and stop.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.python.failure import Failure

from holm_registry.logs.line_writer import flush_all
from holm_registry.threads import PooledThreads


class Lifecycle(MultiService):
    """
    Starts thread pools, then services, then sites; stops them in the opposite order.

    Sites need the services, and both need the pools. So the sites first stop listening and drain:
    a request in flight still has all services. Then the services stop, which may still write what
    they hold. Then the pools stop. Last, the logs are written.

    :param sites: The services that listen.
    :param services: The services that run beside the sites.
    :param pools: The threads of both.
    """

    def __init__(
        self,
        sites: Sequence[IService],
        services: Sequence[IService],
        pools: Sequence[PooledThreads],
    ) -> None:
        super().__init__()
        self._sites = sites
        self._services = services
        self._pools = pools
        for service in (*services, *sites):
            service.setServiceParent(self)

    def startService(self) -> None:
        """Start the pools, the services and the sites."""
        for pool in self._pools:
            pool.start()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """Stop all; the result comes when the last part has stopped."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        # A part that fails to stop must not keep the others from it.
        failures = [
            *await _all(maybeDeferred(site.stopService) for site in self._sites),
            *await _all(maybeDeferred(service.stopService) for service in reversed(self._services)),
            *await _all(pool.stop() for pool in self._pools),
        ]
        # Not by atexit alone: twistd ends the process by the signal that it received.
        flush_all()
        for failure in failures:
            failure.raiseException()


async def _all(ends: Iterable[Deferred[None]]) -> list[Failure]:
    """Wait for all; return the failures."""
    results: list[tuple[bool, Any]] = await DeferredList(list(ends), consumeErrors=True)
    return [failure for succeeded, failure in results if not succeeded]
