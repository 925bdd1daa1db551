"""
Sending a stored object as the body of an answer.

On a plain TCP connection the kernel copies from file to socket (``os.sendfile``) and no byte
passes through Python. Anywhere else (TLS, a store without files, a test's connection) the object
is read in threads. Either way one slow reader costs no memory, and the same function hides the
difference.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from zope.interface import implementer

from holm_registry.threads import Threads

from .multipart import MultipartPiece
from .request import StreamedRequest
from .stall_timer import StallTimer

#: How much to hand to the kernel before other connections get their turn, in bytes.
SLICE_BYTES = 1024 * 1024

#: How much to hand over at once of what is in memory, in bytes.
PIECE_BYTES = 32 * 1024

_log = Logger()


class ReadableObject(Protocol):
    """What can be sent."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to ``length`` bytes, blocking; none only at the end."""

    def fileno(self) -> int | None:
        """Return a descriptor for the kernel to read from, or None."""


async def send(
    request: StreamedRequest,
    source: ReadableObject,
    pieces: Sequence[MultipartPiece],
    threads: Threads,
) -> None:
    """
    Send parts of an object, one behind the other. Headers must be set, the length of all among
    them; it is the caller's to close the source afterwards.

    A source that ends early, or cannot be read, cuts the connection: the client must not take
    what it got for the whole.
    """
    request.write(b"")
    transport = request.channel.transport if request.channel is not None else None
    if transport is None or not any(piece.length for piece in pieces):
        return
    descriptor = source.fileno()
    producer: _Producer
    if descriptor is not None and _is_plain(transport):
        producer = _KernelProducer(request, pieces, transport, descriptor)
    else:
        producer = _ThreadProducer(request, pieces, threads, source)
    await producer.run()


async def send_bytes(request: StreamedRequest, content: bytes) -> None:
    """Send what is in memory, a piece at a time. Headers must be set."""
    request.write(b"")
    if request.channel is not None:
        await _MemoryProducer(request, content).run()


def _is_plain(transport: object) -> bool:
    return isinstance(transport, Connection) and not transport.TLS


@implementer(IPushProducer)
class _Producer:
    """Moves bytes whenever the connection has room. Ends once, by success, fault or hang-up."""

    def __init__(self, request: StreamedRequest, pieces: Sequence[MultipartPiece]) -> None:
        self._request = request
        self._pieces = iter(pieces)
        self._offset = self._stop = 0
        self._moved = 0
        self._stall_timer: StallTimer | None = None
        self._done: Deferred[None] = Deferred(lambda _: self._end())
        self._ended = False

    def run(self) -> Deferred[None]:
        """Begin; the result comes when all is handed over or the client has left."""
        # Any: it is our own, which twisted.web does not know.
        site: Any = self._request.site
        self._stall_timer = StallTimer(
            site.reactor,
            site.limits.body_seconds,
            bytes_moved=lambda: self._moved,
            waiting_on_us=self._is_reading,
            on_stall=self._give_up,
        )
        self._request.registerProducer(self, streaming=True)
        self.begin()
        return self._done

    def begin(self) -> None:
        """Move the first bytes."""
        raise NotImplementedError

    def _next_piece(self) -> bytes | None:
        """Go on to the next piece, and give its text; None if there is none."""
        piece = next(self._pieces, None)
        if piece is None:
            return None
        self._offset, self._stop = piece.start, piece.stop
        self._moved += len(piece.text)
        return piece.text

    def _count(self, moved: int) -> None:
        self._offset += moved
        self._moved += moved

    def resumeProducing(self) -> None:
        """Move more bytes, since there is room."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """Wait for room."""

    def stopProducing(self) -> None:
        """Give up, since the client has left; the request's end cancels the waiting handler."""
        self._end()

    def _is_reading(self) -> bool:
        """Return whether the client waits for what is being read."""
        return False

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if self._stall_timer is not None:
                self._stall_timer.stop()
            if self._request.channel is not None:
                self._request.unregisterProducer()

    def _finish(self) -> None:
        self._end()
        if not self._done.called:
            self._done.callback(None)

    def _fail(self, reason: object) -> None:
        _log.error("answer cut short: {uri}: {reason}", uri=self._request.uri, reason=reason)
        self._give_up()

    def _give_up(self) -> None:
        """Cut the connection, whose loss ends the request; an answer cut short is not finished."""
        self._end()
        self._request.abort()
        if self._request.disconnected and not self._done.called:
            self._done.callback(None)


class _KernelProducer(_Producer):
    """
    Lets the kernel copy, whenever the transport has sent all that it was given before.

    The transport calls ``resumeProducing`` when its own buffer is empty and the socket writable,
    provided that it believes to have paused us.
    """

    def __init__(
        self,
        request: StreamedRequest,
        pieces: Sequence[MultipartPiece],
        transport: Any,
        descriptor: int,
    ) -> None:
        super().__init__(request, pieces)
        self._transport = transport
        self._descriptor = descriptor

    def begin(self) -> None:
        self._wait()

    def resumeProducing(self) -> None:
        if self._ended:
            return
        if self._offset >= self._stop:
            self._begin_piece()
            return
        try:
            sent = os.sendfile(
                self._transport.fileno(),
                self._descriptor,
                self._offset,
                min(SLICE_BYTES, self._stop - self._offset),
            )
        except BlockingIOError:
            self._wait()
            return
        except OSError as problem:
            # A client that left is no error.
            if isinstance(problem, ConnectionError):
                self._give_up()
            else:
                self._fail(problem)
            return
        self._count(sent)
        self._request.sentLength += sent
        if sent == 0:
            self._fail("the file is shorter than it was")
        elif self._offset >= self._stop:
            self._begin_piece()
        else:
            self._wait()

    def _begin_piece(self) -> None:
        """Hand over a piece's text; its bytes may follow once the transport has sent that."""
        text = self._next_piece()
        if text is None:
            self._finish()
            return
        if text:
            self._request.write(text)
        self._wait()

    def _wait(self) -> None:
        self._transport.producerPaused = True
        self._transport.startWriting()


class _MemoryProducer(_Producer):
    """
    Hands over pieces of what is in memory, while the connection has room.
    """

    def __init__(self, request: StreamedRequest, content: bytes) -> None:
        super().__init__(request, [MultipartPiece(b"", 0, len(content))])
        self._content = content
        self._paused = False
        self._writing = False

    def begin(self) -> None:
        self._next_piece()
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        if self._writing:
            return
        self._writing = True
        while not (self._paused or self._ended):
            piece = self._content[self._offset : self._offset + PIECE_BYTES]
            self._count(len(piece))
            self._request.write(piece)
            if self._offset >= self._stop:
                self._finish()
        self._writing = False

    def pauseProducing(self) -> None:
        self._paused = True


class _ThreadProducer(_Producer):
    """
    Reads in threads, one step at a time, and waits while the client does not take it.
    """

    def __init__(
        self,
        request: StreamedRequest,
        pieces: Sequence[MultipartPiece],
        threads: Threads,
        source: ReadableObject,
    ) -> None:
        super().__init__(request, pieces)
        self._threads = threads
        self._source = source
        self._paused = False
        self._reading = False
        self._looping = False
        self._memory = request.memory
        self._memory.readers += 1

    def begin(self) -> None:
        self._read()

    def resumeProducing(self) -> None:
        self._paused = False
        self._read()

    def pauseProducing(self) -> None:
        self._paused = True

    def _end(self) -> None:
        if not self._ended:
            self._memory.readers -= 1
        super()._end()

    def _is_reading(self) -> bool:
        return self._reading

    def _read(self) -> None:
        # In a loop: threads that are none give what was read before it is waited for.
        if not self._looping:
            self._looping = True
            while not (self._reading or self._paused or self._ended):
                self._step()
            self._looping = False

    def _step(self) -> None:
        """Hand over the text of a piece, or begin to read more of its bytes."""
        if self._offset >= self._stop:
            text = self._next_piece()
            if text is None:
                self._finish()
            elif text:
                self._request.write(text)
            return
        self._reading = True
        length = min(self._memory.step_bytes(), self._stop - self._offset)
        reading = self._threads.run(self._source.read, self._offset, length)
        reading.addCallbacks(self._took, lambda failure: self._fail(failure.value))

    def _took(self, data: bytes) -> None:
        self._reading = False
        if self._ended:
            return
        if not data:
            self._fail("the object is shorter than it was")
            return
        self._count(len(data))
        self._request.write(data)
        self._read()
