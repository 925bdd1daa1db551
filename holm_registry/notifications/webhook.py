from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.web.client import Agent, FileBodyProducer
from twisted.web.http_headers import Headers

from .events import CONTENT_TYPE


class _DiscardBody(Protocol):
    """Discards the body of a response: only its status matters."""

    def connectionMade(self) -> None:
        """Close the connection, without reading the body."""
        transport: Any = self.transport
        transport.loseConnection()


def make_sender(
    reactor: Any, url: str, headers: Mapping[str, Sequence[str]], timeout_seconds: float
) -> Callable[[bytes], Awaitable[int]]:
    """
    Return a function that POSTs an envelope to a URL and returns the status of the response.

    :param timeout_seconds: How long to wait for a connection, and for the response.
    """
    agent = Agent(reactor, connectTimeout=timeout_seconds)
    all_headers = {**headers, "Content-Type": [CONTENT_TYPE], "User-Agent": ["holm-registry"]}

    async def post(body: bytes) -> int:
        result: Deferred[Any] = agent.request(
            b"POST", url.encode(), Headers(dict(all_headers)), FileBodyProducer(BytesIO(body))
        )
        response = await result.addTimeout(timeout_seconds, reactor)
        response.deliverBody(_DiscardBody())
        return int(response.code)

    return post
