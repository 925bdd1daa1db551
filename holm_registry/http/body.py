"""
The body of a request, as it arrives.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

#: How much may wait to be taken, in all bodies together, in bytes.
BUFFERED_BYTES = 24 * 1024 * 1024

#: The bounds of one body's share of that. A larger share makes fewer and longer steps.
MIN_SHARE_BYTES = 256 * 1024
MAX_SHARE_BYTES = 2 * 1024 * 1024


class ClientLeft(Exception):
    """The connection was lost before the body's end."""


class BodyTooLarge(Exception):
    """The body is longer than its reader was ready to take."""


class Buffers:
    """
    The memory that bodies share: few of them get long buffers, many get short ones.
    """

    def __init__(self, total_bytes: int = BUFFERED_BYTES) -> None:
        self._total_bytes = total_bytes
        self.bodies = 0

    def share_bytes(self) -> int:
        """Tell how much one body may keep waiting before its connection is paused."""
        share = self._total_bytes // max(1, self.bodies)
        return max(MIN_SHARE_BYTES, min(MAX_SHARE_BYTES, share))


class RequestBody:
    """
    A body that is read while it arrives. One reader at a time.

    :param buffers: What the body's buffers are a share of.
    :param on_read: Called before the first read, for instance to tell a client to go on.
    :param pause: Stops the network from delivering more.
    :param resume: Lets it go on.
    """

    def __init__(
        self,
        buffers: Buffers,
        *,
        on_read: Callable[[], None],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._shared = buffers
        self._shared.bodies += 1
        self._on_read: Callable[[], None] | None = on_read
        self._pause = pause
        self._resume = resume
        self._buffers: list[bytes] = []
        self._buffered_bytes = 0
        self._paused = False
        self._discarding = False
        self._waiting: Deferred[None] | None = None
        self._lost = False
        self._left = False
        self.complete = False
        #: How much has arrived, taken or not, in bytes.
        self.received_bytes = 0

    @property
    def keeps_waiting(self) -> bool:
        """Whether its sender is kept waiting: it was paused, or nobody has asked for it yet."""
        return self._paused or self._on_read is not None

    async def read(self) -> list[bytes]:
        """
        Give what has arrived since the last time, waiting for the first bytes if need be.

        :return: At least one buffer; none at the body's end.
        :raises ClientLeft: The connection was lost, and all that had arrived was given before.
        """
        if self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            on_read()
        while not self._buffers and not self.complete and not self._lost:
            self._waiting = Deferred()
            await self._waiting
        buffers, self._buffers, self._buffered_bytes = self._buffers, [], 0
        if not buffers and self._lost:
            raise ClientLeft
        self._unpause()
        return buffers

    async def read_all(self, max_bytes: int) -> bytes:
        """
        Give the whole body.

        :raises BodyTooLarge: It has more than ``max_bytes``.
        :raises ClientLeft: The connection was lost before its end.
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
        self._buffers.append(data)
        self._buffered_bytes += len(data)
        if not self._paused and self._buffered_bytes >= self._shared.share_bytes():
            self._paused = True
            self._pause()
        self._wake()

    def finish(self) -> None:
        """Note that the body has ended."""
        self.complete = True
        self._leave()
        self._wake()

    def lose(self) -> None:
        """Note that the connection was lost."""
        if not self.complete:
            self._lost = True
            self._leave()
        self._wake()

    def discard(self) -> None:
        """Forget what waits and all that is still to come."""
        self._discarding = True
        self._leave()
        self._buffers, self._buffered_bytes = [], 0
        self._unpause()

    def _leave(self) -> None:
        """Give the share back, once."""
        if not self._left:
            self._left = True
            self._shared.bodies -= 1

    def _unpause(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._resume()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)
