"""
The body of a request, as it arrives.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from .memory_budget import MemoryBudget

#: Pieces shorter than this, in bytes, are put together: each object costs memory of its own.
_SMALL_BYTES = 4 * 1024


class ClientDisconnected(Exception):
    """The connection was lost before the body's end."""


class BodyTooLarge(Exception):
    """The body is longer than its reader was ready to take."""


class RequestBody:
    """
    A body that is read while it arrives. One reader at a time.

    :param memory: What the body's buffers are a share of.
    :param on_read: Called before the first read, for instance to tell a client to go on.
    :param pause: Stops the network from delivering more.
    :param resume: Lets it go on.
    """

    def __init__(
        self,
        memory: MemoryBudget,
        *,
        on_read: Callable[[], None],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._memory.bodies += 1
        self._on_read: Callable[[], None] | None = on_read
        self._pause = pause
        self._resume = resume
        self._buffers: list[bytes | bytearray] = []
        self._buffered_bytes = 0
        #: What was given to a reader, and is not done with until it asks again.
        self._taken_bytes = 0
        self._paused = False
        self._discarding = False
        self._waiting: Deferred[None] | None = None
        self._lost = False
        self._share_released = False
        self.complete = False
        #: How much has arrived, taken or not, in bytes.
        self.received_bytes = 0

    @property
    def is_sender_waiting(self) -> bool:
        """Whether its sender is kept waiting: it was paused, or the handler has not read."""
        return self._paused or self._on_read is not None

    async def read(self) -> list[bytes]:
        """
        Return what has arrived since the last time, waiting for the first bytes if need be.

        :return: At least one buffer; none at the body's end.
        :raises ClientDisconnected: The connection was lost, and no received data is left.
        """
        self._begin()
        self._count_taken(0)
        while not self._buffers and not self.complete and not self._lost:
            await self._change()
        buffers, self._buffers = self._buffers, []
        taken, self._buffered_bytes = self._buffered_bytes, 0
        self._taken_bytes = taken
        if not buffers and self._lost:
            raise ClientDisconnected
        self._unpause()
        return [bytes(buffer) for buffer in buffers]

    async def buffer_all(self) -> bool:
        """
        Wait until the whole body is there, to be given by one :meth:`read`.

        :return: False if that would be more than its share of memory.
        :raises ClientDisconnected: The connection was lost before its end.
        """
        self._begin()
        while not self.complete and not self._paused:
            if self._lost:
                raise ClientDisconnected
            await self._change()
        return self.complete

    async def read_all(self, max_bytes: int) -> bytes:
        """
        Return the whole body.

        :raises BodyTooLarge: It has more than ``max_bytes``.
        :raises ClientDisconnected: The connection was lost before its end.
        """
        buffers: list[bytes] = []
        size = 0
        while arrived := await self.read():
            buffers += arrived
            size += sum(map(len, arrived))
            if size > max_bytes:
                raise BodyTooLarge
        return b"".join(buffers)

    def feed(self, data: bytes) -> None:
        """Take in what the network brought."""
        self.received_bytes += len(data)
        if self._discarding:
            return
        self._keep(data)
        if not self._paused and self._buffered_bytes >= self._memory.share_bytes():
            self._paused = True
            self._pause()
        self._wake()

    def finish(self) -> None:
        """Note that the body has ended."""
        self.complete = True
        self._release_share()
        self._wake()

    def connection_lost(self) -> None:
        """Note that the connection was lost."""
        if not self.complete:
            self._lost = True
            self._release_share()
        # These hold the request, and it holds this.
        self._pause = self._resume = _nothing
        self._on_read = None
        self._wake()

    def discard(self) -> None:
        """Forget what waits and all that is still to come."""
        self._discarding = True
        self._release_share()
        self.release()
        self._unpause()

    def release(self) -> None:
        """Forget what waits, and what was given to a reader."""
        self._memory.free(self._buffered_bytes)
        self._buffers, self._buffered_bytes = [], 0
        self._count_taken(0)

    def __del__(self) -> None:
        """Count as free what a reader that was broken off has left."""
        self._memory.free(self._buffered_bytes + self._taken_bytes)

    def _begin(self) -> None:
        if self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            on_read()

    def _keep(self, data: bytes) -> None:
        """Keep what arrived, without an object for each byte or two."""
        self._memory.add(len(data))
        self._buffered_bytes += len(data)
        last = self._buffers[-1] if self._buffers else None
        if len(data) >= _SMALL_BYTES:
            self._buffers.append(data)
        elif isinstance(last, bytearray):
            last += data
        else:
            self._buffers.append(bytearray(data))

    def _count_taken(self, size: int) -> None:
        taken, self._taken_bytes = self._taken_bytes, size
        self._memory.free(taken)

    def _change(self) -> Deferred[None]:
        """Wait for something to happen."""
        self._waiting = Deferred()
        return self._waiting

    def _release_share(self) -> None:
        """Give the share back, once."""
        if not self._share_released:
            self._share_released = True
            self._memory.bodies -= 1

    def _unpause(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._resume()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)


def _nothing() -> None:
    """Do nothing."""
