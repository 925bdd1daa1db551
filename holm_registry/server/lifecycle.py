"""
The order in which a process begins and ends.
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
    Begins thread pools, then services, then sites, and ends them the other way round.

    Each needs what ends behind it. A request in flight is finished with all that it was begun with:
    the sites stop listening and drain first. Then the services end, which may still store what
    they hold; and the pools, when nobody is left to wait for them. Last, the logs are written.

    :param sites: What listens.
    :param services: What runs beside the sites.
    :param pools: What both work with.
    """

    def __init__(
        self,
        sites: Sequence[IService],
        services: Sequence[IService],
        pools: Sequence[PooledThreads],
    ) -> None:
        super().__init__()
        self._sites = sites
        self._beside = services
        self._pools = pools
        for service in (*services, *sites):
            service.setServiceParent(self)

    def startService(self) -> None:
        """Begin everything."""
        for pool in self._pools:
            pool.start()
        super().startService()

    def stopService(self) -> Deferred[None]:
        """End everything, in its order; the result comes when all has ended."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        # Whatever one of them ends with, the others have to end as well.
        failures = [
            *await _all(maybeDeferred(each.stopService) for each in self._sites),
            *await _all(maybeDeferred(each.stopService) for each in reversed(self._beside)),
            *await _all(pool.stop() for pool in self._pools),
        ]
        # twistd ends the process by the signal that it got, and nothing is called at its exit.
        flush_all()
        for failure in failures:
            failure.raiseException()


async def _all(ends: Iterable[Deferred[None]]) -> list[Failure]:
    """Wait for all; give what failed."""
    results: list[tuple[bool, Any]] = await DeferredList(list(ends), consumeErrors=True)
    return [found for succeeded, found in results if not succeeded]
