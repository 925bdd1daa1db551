"""
What can be looked at: the store, a file, a web server, a port.

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
    """Something is not as it should be; says what, in a line."""


class Degraded(Unhealthy):
    """Something is not as it should be, and what can be served is served all the same."""


class Check(Protocol):
    """
    Something to look at.

    :ivar name: What the debug server calls it: registry:2's names.
    :ivar kind: What everybody may know of it: ``storage``, ``file``, ``http``, ``tcp``.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def kind(self) -> str:
        """See above."""

    async def look(self) -> None:
        """
        Look at it.

        :raises Exception: It is not well; the text says why.
        """


@frozen
class StorageCheck:
    """
    Whether the store takes something in, gives it back, and lets go of it.

    :ivar driver_name: What registry:2 calls the driver.
    :ivar read_only: Only whether it can be read.
    """

    driver: Driver
    threads: Threads
    driver_name: str
    read_only: bool = False
    kind: str = "storage"

    @property
    def name(self) -> str:
        """See :class:`Check`."""
        return f"storagedriver_{self.driver_name}"

    async def look(self) -> None:
        """See :class:`Check`."""
        await self.threads.run(self._list if self.read_only else self._write)

    def _list(self) -> None:
        self.driver.folders(layout.REPOSITORIES)

    def _write(self) -> None:
        path, content = f"{layout.MAINTENANCE}/health-{uuid.uuid4().hex}", uuid.uuid4().bytes
        try:
            self.driver.put(path, content)
        except StorageFull as problem:
            self._list()
            raise Degraded(f"{problem}: pulls and deletions go on") from problem
        try:
            found = self.driver.read(path)
            self.driver.delete(path)
        except NotFound:
            raise Unhealthy("the store loses what it was given") from None
        if found != content:
            raise Unhealthy("the store gives back something else than it was given")


@frozen
class FileCheck:
    """Whether a file is not there: making it takes a registry out of service."""

    name: str
    threads: Threads
    kind: str = "file"

    async def look(self) -> None:
        """See :class:`Check`."""
        if await self.threads.run(os.path.exists, self.name):
            raise Unhealthy("file exists")


@frozen
class HttpCheck:
    """Whether a web server answers with a status, in time."""

    name: str
    reactor: Any
    headers: dict[str, list[str]]
    status: int
    timeout_seconds: float
    kind: str = "http"

    async def look(self) -> None:
        """See :class:`Check`."""
        from twisted.web.client import Agent  # noqa: PLC0415 - memory, for those who need none
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        agent = Agent(self.reactor, connectTimeout=self.timeout_seconds)
        asking: Deferred[Any] = agent.request(
            b"HEAD", self.name.encode(), Headers(dict(self.headers)), None
        )
        response = await asking.addTimeout(self.timeout_seconds, self.reactor)
        response.deliverBody(Connection())
        if response.code != self.status:
            raise Unhealthy(f"status {response.code} instead of {self.status}")


@frozen
class TcpCheck:
    """Whether something listens on a port, and takes connections in time."""

    name: str
    reactor: Any
    host: str
    port: int
    timeout_seconds: float
    kind: str = "tcp"

    async def look(self) -> None:
        """See :class:`Check`."""
        endpoint = HostnameEndpoint(
            self.reactor, self.host, self.port, timeout=self.timeout_seconds
        )
        connection: Any = await endpoint.connect(Factory.forProtocol(Connection))
        connection.transport.loseConnection()
