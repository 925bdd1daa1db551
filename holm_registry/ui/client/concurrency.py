"""
How much is asked of the registry at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

T = TypeVar("T")

#: Of the requests in flight, how many may be background work.
_BACKGROUND_SHARE = 0.75


class ConcurrencyLimit:
    """
    Lets a number of requests through at a time; those of waiting visitors go first.

    :param limit: How many at the most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._background_limit = max(1, int(limit * _BACKGROUND_SHARE))
        self._open = 0
        self._open_background = 0
        self._admitting = False
        self._waiting: dict[bool, deque[Deferred[None]]] = {False: deque(), True: deque()}

    @property
    def entries(self) -> int:
        """How many are through and have not left."""
        return self._open

    @asynccontextmanager
    async def entered(self, *, background: bool = False) -> AsyncIterator[None]:
        """Hold a place, waiting for it if need be; a cancelled caller gives it up."""
        if self._waiting[background] or not self._has_room(background):
            place: Deferred[None] = Deferred(lambda _: self._waiting[background].remove(place))
            self._waiting[background].append(place)
            await place
        else:
            self._count(background, 1)
        try:
            yield
        finally:
            self._count(background, -1)
            self._admit()

    def _has_room(self, background: bool) -> bool:  # noqa: FBT001
        room = self._open < self._limit
        return room and not (background and self._open_background >= self._background_limit)

    def _count(self, background: bool, by: int) -> None:  # noqa: FBT001
        self._open += by
        self._open_background += by if background else 0

    def _admit(self) -> None:
        """Admit as many as there is room for; those who leave meanwhile make room for more."""
        if self._admitting:
            # An outer call admits already: a thousand short stays must not pile up a stack.
            return
        self._admitting = True
        try:
            while (place := self._take_place()) is not None:
                place.callback(None)
        finally:
            self._admitting = False

    def _take_place(self) -> Deferred[None] | None:
        for background in (False, True):
            if self._waiting[background] and self._has_room(background):
                # Counted before it is told, so that no other caller comes in between.
                self._count(background, 1)
                return self._waiting[background].popleft()
        return None


async def for_each(
    things: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = 16
) -> None:
    """
    Do something with each thing, several at a time, however many there are.

    After the first failure no more are begun; those that were are left to end, and whatever becomes
    of them is not reported.
    """
    remaining = iter(things)
    failed = False

    async def take() -> None:
        nonlocal failed
        for thing in remaining:
            if failed:
                return
            try:
                await work(thing)
            except BaseException:
                failed = True
                raise

    takers = [Deferred.fromCoroutine(take()) for _ in range(at_once)]
    try:
        await gatherResults(takers, consumeErrors=True)
    except FirstError as problem:
        problem.subFailure.raiseException()
