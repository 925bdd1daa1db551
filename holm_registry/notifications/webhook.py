from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.web.client import Agent, FileBodyProducer
from twisted.web.http_headers import Headers

from .events import CONTENT_TYPE


class _Unread(Protocol):
    """Reads nothing of an answer whose status says it all."""

    def connectionMade(self) -> None:
        """Hang up."""
        transport: Any = self.transport
        transport.loseConnection()


def make_sender(
    reactor: Any, url: str, headers: Mapping[str, Sequence[str]], timeout_seconds: float
) -> Callable[[bytes], Awaitable[int]]:
    """
    Give what sends envelopes to an address.

    :param timeout_seconds: How long to wait for a connection and an answer.
    """
    agent = Agent(reactor, connectTimeout=timeout_seconds)
    sent = {**headers, "Content-Type": [CONTENT_TYPE], "User-Agent": ["holm-registry"]}

    async def post(body: bytes) -> int:
        asking: Deferred[Any] = agent.request(
            b"POST", url.encode(), Headers(dict(sent)), FileBodyProducer(BytesIO(body))
        )
        response = await asking.addTimeout(timeout_seconds, reactor)
        response.deliverBody(_Unread())
        return int(response.code)

    return post
