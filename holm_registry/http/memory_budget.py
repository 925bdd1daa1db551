"""
One sum for all that requests keep in memory: bodies coming in, answers going out, manifests being
decoded.

Bodies get shares of it, and a connection that has used its share is paused. Whatever is known to be
large beforehand waits until it fits, first come, first served. Answers that their clients do not
read hold what others wait for: then the one that was held longest gives way.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

#: How much all requests together may keep, in bytes.
TOTAL_BYTES = 48 * 1024 * 1024

#: The part of it that bodies share out: each keeps one share, and another is being stored.
_BODIES_PART = 1 / 4

#: The bounds of one body's share, in bytes. A larger share makes fewer and longer steps.
MIN_SHARE_BYTES = 4 * 1024
MAX_SHARE_BYTES = 2 * 1024 * 1024

#: The part of it for heads that are not complete, and requests that are sent ahead.
_HEADS_PART = 1 / 6

#: The part of it for objects that are read in threads while they are sent, and the bounds of how
#: much of each is read at once.
_READERS_PART = 1 / 8
MIN_STEP_BYTES = 16 * 1024
MAX_STEP_BYTES = 256 * 1024

#: What is no larger than this, in bytes, is counted, and waits for nothing.
SMALL_BYTES = 64 * 1024

#: How long an answer may be held, in seconds, once others wait for its memory.
EVICTION_SECONDS = 10.0


@frozen(eq=False)
class _Waiting:
    size: int
    granted: Deferred[None]


@frozen
class _SharedReservation:
    since: float
    evict: list[Callable[[], object]]


class MemoryBudget:
    """
    Counts what requests keep in memory.

    :ivar used_bytes: How much they keep.
    :ivar bodies: How many bodies are arriving.
    :ivar readers: How many objects are read in threads while they are sent.
    """

    def __init__(self, clock: IReactorTime, total_bytes: int = TOTAL_BYTES) -> None:
        self._clock = clock
        self.total_bytes = total_bytes
        self.used_bytes = 0
        self.bodies = 0
        self.readers = 0
        self._heads_bytes = 0
        self._waiting: deque[_Waiting] = deque()
        self._shared: OrderedDict[Hashable, _SharedReservation] = OrderedDict()
        self._eviction_call: Any = None

    def share_bytes(self) -> int:
        """Return how much one body may keep waiting before its connection is paused."""
        share = int(self.total_bytes * _BODIES_PART) // max(1, self.bodies)
        return max(MIN_SHARE_BYTES, min(MAX_SHARE_BYTES, share))

    def count_heads(self, size: int) -> None:
        """Count how much more, or less, in bytes, waits to be taken for requests."""
        self._heads_bytes += size
        self.free(-size)

    def has_room_for_heads(self, size: int) -> bool:
        """Return whether so much more, in bytes, may wait to be taken for requests."""
        return self._heads_bytes + size <= self.total_bytes * _HEADS_PART

    def step_bytes(self) -> int:
        """Return how much of one object to read at once."""
        step = int(self.total_bytes * _READERS_PART) // max(1, self.readers)
        return max(MIN_STEP_BYTES, min(MAX_STEP_BYTES, step))

    def add(self, size: int) -> None:
        """Count bytes that were added."""
        self.used_bytes += size

    def free(self, size: int) -> None:
        """Count bytes that were freed."""
        self.used_bytes -= size
        while self._waiting and self._fits(self._waiting[0].size):
            first = self._waiting.popleft()
            self.used_bytes += first.size
            first.granted.callback(None)
        if not self._waiting and self._eviction_call is not None:
            self._eviction_call.cancel()
            self._eviction_call = None

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        """
        Reserve memory; wait until it is available.

        :param size: In bytes; what is more than there is in all gets all.
        """
        size = min(size, self.total_bytes)
        await self._acquire(size)
        try:
            yield
        finally:
            self.free(size)

    @asynccontextmanager
    async def reserve_shared(
        self, name: Hashable, size: int, evict: Callable[[], object]
    ) -> AsyncIterator[None]:
        """
        Keep an answer for as long as its client takes to read it.

        :param name: What several answers share has one name, and is counted once.
        :param size: In bytes.
        :param evict: Called if it has been kept for long, and others wait for its memory.
        """
        size = min(size, self.total_bytes)
        if name not in self._shared:
            await self._acquire(size)
            if name in self._shared:
                # Another has kept it while we waited.
                self.free(size)
            else:
                self._shared[name] = _SharedReservation(self._clock.seconds(), [])
        holders = self._shared[name].evict
        holders.append(evict)
        try:
            yield
        finally:
            holders.remove(evict)
            if not holders:
                del self._shared[name]
                self.free(size)

    def _fits(self, size: int) -> bool:
        return not self.used_bytes or self.used_bytes + size <= self.total_bytes

    async def _acquire(self, size: int) -> None:
        if size <= SMALL_BYTES or (not self._waiting and self._fits(size)):
            self.used_bytes += size
            return
        granted: Deferred[None] = Deferred()
        waiting = _Waiting(size, granted)
        self._waiting.append(waiting)
        if self._eviction_call is None:
            self._eviction_call = self._clock.callLater(EVICTION_SECONDS, self._evict_oldest)
        try:
            await granted
        except BaseException:
            self._forget(waiting)
            raise

    def _forget(self, waiting: _Waiting) -> None:
        """Remove a waiter whose client has left."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self.free(0)

    def _evict_oldest(self) -> None:
        """Have the answer that was held longest give way, and look again."""
        self._eviction_call = self._clock.callLater(1.0, self._evict_oldest)
        for held in self._shared.values():
            if self._clock.seconds() - held.since >= EVICTION_SECONDS:
                for evict in tuple(held.evict):
                    evict()
                return
