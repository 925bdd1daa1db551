"""
The kinds of health checks: storage, file, HTTP, TCP.

:see: distribution, "Configuring a registry", ``health``.
"""

from __future__ import annotations

import os
import uuid
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as Connection

from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageFull
from holm_registry.threads import Threads


class Unhealthy(Exception):
    """A check has failed; the text says why, in one line."""


class Degraded(Unhealthy):
    """A check has failed, but requests can still be served in part."""


class Check(Protocol):
    """
    A health check.

    :ivar name: Its name on the debug server, as in registry:2; it may contain internal addresses.
    :ivar kind: Its name in answers to clients: ``storage``, ``file``, ``http``, ``tcp``.
    """

    @property
    def name(self) -> str:
        """The name on the debug server."""

    @property
    def kind(self) -> str:
        """The name in answers to clients."""

    async def run(self) -> None:
        """
        Run the check.

        :raises Exception: The check has failed; the text says why.
        """


@frozen
class StorageCheck:
    """
    Whether an object can be written to the storage, read and deleted.

    :ivar driver_name: The driver's name in registry:2.
    :ivar read_only: Only check whether the storage can be listed.
    """

    driver: Driver
    threads: Threads
    driver_name: str
    read_only: bool = False
    kind: str = "storage"

    @property
    def name(self) -> str:
        """The name of registry:2."""
        return f"storagedriver_{self.driver_name}"

    async def run(self) -> None:
        """Run the check in a thread."""
        await self.threads.run(self._list if self.read_only else self._write)

    def _list(self) -> None:
        self.driver.folders(layout.REPOSITORIES)

    def _write(self) -> None:
        path, content = f"{layout.MAINTENANCE}/health-{uuid.uuid4().hex}", uuid.uuid4().bytes
        try:
            self.driver.put(path, content)
        except StorageFull as problem:
            self._list()
            raise Degraded(f"{problem}: pulls and deletions still work") from problem
        try:
            stored = self.driver.read(path)
            self.driver.delete(path)
        except NotFound:
            raise Unhealthy("an object that was just written is missing") from None
        if stored != content:
            raise Unhealthy("an object that was just written has different content")


@frozen
class FileCheck:
    """Whether a file is absent: an operator creates it to take a registry out of service."""

    name: str
    threads: Threads
    kind: str = "file"

    async def run(self) -> None:
        """Look for the file in a thread."""
        if await self.threads.run(os.path.exists, self.name):
            raise Unhealthy("file exists")


@frozen
class HttpCheck:
    """Whether a web server answers a HEAD request with the expected status in time."""

    name: str
    reactor: Any
    headers: dict[str, list[str]]
    status: int
    timeout_seconds: float
    kind: str = "http"

    async def run(self) -> None:
        """Send the request."""
        from twisted.web.client import Agent  # noqa: PLC0415 - memory, where no check needs it
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        agent = Agent(self.reactor, connectTimeout=self.timeout_seconds)
        result: Deferred[Any] = agent.request(
            b"HEAD", self.name.encode(), Headers(dict(self.headers)), None
        )
        response = await result.addTimeout(self.timeout_seconds, self.reactor)
        response.deliverBody(Connection())
        if response.code != self.status:
            raise Unhealthy(f"status {response.code}, expected {self.status}")


@frozen
class TcpCheck:
    """Whether a TCP port accepts a connection in time."""

    name: str
    reactor: Any
    host: str
    port: int
    timeout_seconds: float
    kind: str = "tcp"

    async def run(self) -> None:
        """Open a connection, and close it."""
        endpoint = HostnameEndpoint(
            self.reactor, self.host, self.port, timeout=self.timeout_seconds
        )
        connection: Any = await endpoint.connect(Factory.forProtocol(Connection))
        connection.transport.loseConnection()
