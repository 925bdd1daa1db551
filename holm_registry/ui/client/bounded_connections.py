"""
Connections to a registry that may send anything: heads and chunks within bounds.

Twisted's client collects headers for as long as they come, and takes as long for a chunk of one
byte as for one of a mebibyte. Its parser is private; this file is the only one that knows it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, ParseError, Request
from twisted.web.client import HTTPConnectionPool
from twisted.web.http import _ChunkedTransferDecoder

#: The most that the status line and headers of an answer may have, in bytes.
MAX_HEAD_BYTES = 64 * 1024

#: What a chunked body may have beside its content: this much, and a share of the content, in bytes.
CHUNK_SLACK_BYTES = 64 * 1024
CHUNK_SHARE = 1 / 16

#: Lines are cut off a buffer one by one: the smaller it is, the less is copied.
_SLICE_BYTES = 4096


class BoundedChunks(_ChunkedTransferDecoder):
    """Decodes chunks, as long as they are not mostly frames."""

    def __init__(self, dataCallback: Any, finishCallback: Any) -> None:
        super().__init__(self._count, finishCallback)
        self._deliver = dataCallback
        self._received = self._decoded = 0

    def dataReceived(self, data: bytes) -> None:
        """Decode a part of the body."""
        for start in range(0, len(data), _SLICE_BYTES):
            part = data[start : start + _SLICE_BYTES]
            self._received += len(part)
            super().dataReceived(part)
            frames = self._received - self._decoded
            if frames > CHUNK_SLACK_BYTES + self._decoded * CHUNK_SHARE:
                raise _unreadable("the chunks of the answer are too small")

    def _count(self, data: bytes) -> None:
        self._decoded += len(data)
        self._deliver(data)


class BoundedProtocol(HTTP11ClientProtocol):
    """One connection to a registry."""

    _head_bytes = 0

    def request(self, request: Request) -> Any:
        """Send a request."""
        self._head_bytes = 0
        answer = super().request(request)
        if self._parser is not None:
            self._parser._transferDecoders = {b"chunked": BoundedChunks}  # noqa: SLF001 - see above
        return answer

    def dataReceived(self, data: bytes) -> None:
        """Pass on what came, the head in small parts and not more than there may be of it."""
        parser, position = self._parser, 0
        while position < len(data) and self._reads_head():
            part = data[position : position + _SLICE_BYTES]
            position += len(part)
            self._head_bytes += len(part)
            super().dataReceived(part)  # type: ignore[no-untyped-call]
            if self._parser is not parser:
                return  # the answer is complete; what follows it belongs to no other
            if self._head_bytes > MAX_HEAD_BYTES and self._reads_head():
                reason = _unreadable("the headers of the answer are too long")
                self._giveUp(Failure(reason))  # type: ignore[no-untyped-call]
                return
        if position < len(data):
            super().dataReceived(data[position:])  # type: ignore[no-untyped-call]

    def _reads_head(self) -> bool:
        return self._parser is not None and self._parser.state in ("STATUS", "HEADER")


class _BoundedFactory(Factory):
    noisy = False

    def __init__(self, quiescent: Any, _metadata: object) -> None:
        self._quiescent = quiescent

    def buildProtocol(self, addr: object) -> BoundedProtocol:  # noqa: ARG002 - Twisted's interface
        """Make the protocol of a new connection."""
        return BoundedProtocol(self._quiescent)  # type: ignore[no-untyped-call]


class BoundedPool(HTTPConnectionPool):
    """Keeps connections to a registry for the next request."""

    _factory: Any = _BoundedFactory


def _unreadable(why: str) -> ParseError:
    return ParseError(why, b"")  # type: ignore[no-untyped-call] # Twisted's has no types
