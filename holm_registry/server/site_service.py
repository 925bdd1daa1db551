"""
A site as a service: it listens, and drains when it stops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime, IStreamServerEndpoint
from twisted.logger import Logger

from holm_registry.http.site import StreamingSite
from holm_registry.http.tls_transport import TlsFactory

from .endpoints import limit_accepts, listen

_log = Logger()


class SiteService(Service):
    """
    Listens on an endpoint; when it stops, it completes the requests in flight.

    :param fail: Ends the process with a message; called if the endpoint cannot listen.
    :param drain_seconds: How long to wait for requests in flight when the service stops.
    :param tls: The :class:`holm_registry.http.tls.Tls` of the site; None for plain HTTP.
    :param greeting: The line to log at the start.
    :param warnings: Further lines to log at the start.
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        reactor: IReactorTime,
        site: StreamingSite,
        *,
        endpoint: IStreamServerEndpoint,
        fail: Callable[[str], NoReturn],
        drain_seconds: float,
        greeting: str,
        tls: Any = None,
        warnings: Sequence[str] = (),
    ) -> None:
        self._reactor = reactor
        self._site = site
        self._endpoint = endpoint
        self._fail = fail
        self._drain_seconds = drain_seconds
        self._greeting = greeting
        self._tls = tls
        self._warnings = warnings
        self._port: IListeningPort | None = None

    @property
    def port(self) -> IListeningPort:
        """The listening port, while the service runs."""
        assert self._port is not None, "the service is not running"  # noqa: S101
        return self._port

    def privilegedStartService(self) -> None:
        """Listen, while the process may still bind ports below 1024; fail if it cannot."""
        try:
            self._port = listen(self._endpoint, self._factory())
            limit_accepts(self._port, self._site)
        except CannotListenError as problem:
            self._fail(f"cannot listen on {_failed_address(problem)}: {problem.socketError}")

    def _factory(self) -> Any:
        if self._tls is None:
            return self._site
        return TlsFactory(self._tls, self._site, self._reactor)

    def startService(self) -> None:
        """Log the greeting; listen, unless twistd has called :meth:`privilegedStartService`."""
        super().startService()
        if self._port is None:
            self.privilegedStartService()
        for warning in self._warnings:
            _log.warn("{warning}", warning=warning)
        _log.info(
            "{greeting}, listening on {where}",
            greeting=self._greeting,
            where=_address(self.port.getHost()),
        )

    def stopService(self) -> Deferred[None]:
        """Stop listening, and wait for the requests in flight; abort them after the drain time."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await maybeDeferred(self.port.stopListening)
        self._port = None
        drained = self._site.drain()
        try:
            await drained.addTimeout(self._drain_seconds, self._reactor)
        except DeferredTimeout:
            _log.warn("stopping with requests still in flight")
            self._site.abort_connections()
            await self._site.drain()


def _failed_address(problem: CannotListenError) -> str:
    host = str(problem.interface or "")
    return f"{_bracketed(host)}:{problem.port}" if problem.port else host


def _address(address: Any) -> str:
    if not hasattr(address, "port"):
        return os.fsdecode(address.name)
    return f"{_bracketed(address.host)}:{address.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
