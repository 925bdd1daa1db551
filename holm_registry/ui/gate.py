"""
How much is asked of the registry at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from twisted.internet.defer import Deferred, gatherResults

T = TypeVar("T")

#: Of the requests in flight, how many may be for what nobody waits for.
_BACKGROUND_SHARE = 0.75


class Gate:
    """
    Lets a number of requests through at a time; those that somebody waits for go first.

    :param limit: How many at the most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._background_limit = max(1, int(limit * _BACKGROUND_SHARE))
        self._open = 0
        self._open_background = 0
        self._waiting: dict[bool, deque[Deferred[None]]] = {False: deque(), True: deque()}

    @asynccontextmanager
    async def entered(self, *, background: bool = False) -> AsyncIterator[None]:
        """Hold a place, waiting for it if need be; whoever is cancelled meanwhile gives it up."""
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
        for background in (False, True):
            waiting = self._waiting[background]
            while waiting and self._has_room(background):
                # Counted before it is told, so that nobody slips in between.
                self._count(background, 1)
                waiting.popleft().callback(None)


async def each(
    things: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int = 16
) -> None:
    """
    Do something with each thing, several at a time, however many there are.

    The first failure ends it; what was begun then is cancelled.
    """
    remaining = iter(things)

    async def take() -> None:
        for thing in remaining:
            await work(thing)

    takers = [Deferred.fromCoroutine(take()) for _ in range(at_once)]
    everything = gatherResults(takers, consumeErrors=True)
    try:
        await everything
    except Exception as problem:  # noqa: BLE001 - raised again, unwrapped
        for taker in takers:
            taker.cancel()
        # gatherResults wraps the failure that ended it.
        raise getattr(getattr(problem, "subFailure", None), "value", problem) from None
