"""
Sending a stored object as the body of an answer.

On a plain TCP connection the kernel copies from file to socket (``os.sendfile``) and no byte
passes through Python. Anywhere else (TLS, a store without files, a test's connection) the object
is read in threads. Either way one slow reader costs no memory, and the same function hides the
difference.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from zope.interface import implementer

from holm_registry.threads import Threads

from .progress import Progress
from .request import StreamedRequest

#: How much to hand to the kernel before other connections get their turn, in bytes.
SLICE_BYTES = 1024 * 1024

#: How much to read in one thread hop where the kernel cannot help, in bytes.
STEP_BYTES = 256 * 1024

_log = Logger()


class Source(Protocol):
    """What can be sent."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to ``length`` bytes, blocking; none only at the end."""

    def fileno(self) -> int | None:
        """Give a descriptor for the kernel to read from, or None."""


async def send(
    request: StreamedRequest, source: Source, start: int, stop: int, threads: Threads
) -> None:
    """
    Send part of an object. Headers must be set, the length among them; it is the caller's to
    close the source afterwards.

    A source that ends early, or cannot be read, cuts the connection: the client must not take
    what it got for the whole.
    """
    request.write(b"")
    transport = request.channel.transport if request.channel is not None else None
    if transport is None or start >= stop:
        return
    descriptor = source.fileno()
    producer: _Producer
    if descriptor is not None and _is_plain(transport):
        producer = _KernelProducer(request, transport, descriptor, start, stop)
    else:
        producer = _ThreadProducer(request, threads, source, start, stop)
    await producer.run()


def _is_plain(transport: object) -> bool:
    return isinstance(transport, Connection) and not transport.TLS


@implementer(IPushProducer)
class _Producer:
    """Moves bytes whenever the connection has room. Ends once, by success, fault or hang-up."""

    def __init__(self, request: StreamedRequest, start: int, stop: int) -> None:
        self._request = request
        self._start = self._offset = start
        self._stop = stop
        self._progress: Progress | None = None
        self._done: Deferred[None] = Deferred(lambda _: self._end())
        self._ended = False

    def run(self) -> Deferred[None]:
        """Begin; the result comes when all is handed over or the client has left."""
        # Any: it is our own, which twisted.web does not know.
        site: Any = self._request.site
        self._progress = Progress(
            site.reactor,
            site.limits.body_seconds,
            moved=lambda: self._offset - self._start,
            is_ours=self._is_reading,
            give_up=self._give_up,
        )
        self._request.registerProducer(self, streaming=True)
        self.begin()
        return self._done

    def begin(self) -> None:
        """Move the first bytes."""
        raise NotImplementedError

    def resumeProducing(self) -> None:
        """Move more bytes, since there is room."""
        raise NotImplementedError

    def pauseProducing(self) -> None:
        """Wait for room."""

    def stopProducing(self) -> None:
        """Give up, since the client has left; the request's end cancels whoever waits."""
        self._end()

    def _is_reading(self) -> bool:
        """Tell whether the client waits for what is being read."""
        return False

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if self._progress is not None:
                self._progress.end()
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
        if self._request.client_left and not self._done.called:
            self._done.callback(None)


class _KernelProducer(_Producer):
    """
    Lets the kernel copy, whenever the transport has sent all that it was given before.

    The transport calls ``resumeProducing`` when its own buffer is empty and the socket writable,
    provided that it believes to have paused us.
    """

    def __init__(
        self, request: StreamedRequest, transport: Any, descriptor: int, start: int, stop: int
    ) -> None:
        super().__init__(request, start, stop)
        self._transport = transport
        self._descriptor = descriptor

    def begin(self) -> None:
        """See :class:`_Producer`."""
        self._wait()

    def resumeProducing(self) -> None:
        """See :class:`_Producer`."""
        if self._ended:
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
            # Nobody has to be told of a client that left.
            if isinstance(problem, ConnectionError):
                self._give_up()
            else:
                self._fail(problem)
            return
        self._offset += sent
        self._request.sentLength += sent
        if self._offset >= self._stop:
            self._finish()
        elif sent == 0:
            self._fail("the file is shorter than it was")
        else:
            self._wait()

    def _wait(self) -> None:
        self._transport.producerPaused = True
        self._transport.startWriting()


class _ThreadProducer(_Producer):
    """Reads in threads, one step at a time, and waits while the client does not take it."""

    def __init__(
        self, request: StreamedRequest, threads: Threads, source: Source, start: int, stop: int
    ) -> None:
        super().__init__(request, start, stop)
        self._threads = threads
        self._source = source
        self._paused = False
        self._reading = False

    def begin(self) -> None:
        """See :class:`_Producer`."""
        self._read()

    def resumeProducing(self) -> None:
        """See :class:`_Producer`."""
        self._paused = False
        self._read()

    def pauseProducing(self) -> None:
        """See :class:`_Producer`."""
        self._paused = True

    def _is_reading(self) -> bool:
        return self._reading

    def _read(self) -> None:
        if self._reading or self._paused or self._ended:
            return
        self._reading = True
        length = min(STEP_BYTES, self._stop - self._offset)
        reading = self._threads.run(self._source.read, self._offset, length)
        reading.addCallbacks(self._took, lambda failure: self._fail(failure.value))

    def _took(self, data: bytes) -> None:
        self._reading = False
        if self._ended:
            return
        if not data:
            self._fail("the object is shorter than it was")
            return
        self._offset += len(data)
        if self._offset >= self._stop:
            self._request.write(data)
            self._finish()
            return
        self._request.write(data)
        self._read()
