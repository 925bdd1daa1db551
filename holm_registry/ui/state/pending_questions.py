"""
Questions that take long to put: worked out once, however often a page asks whether they are ready.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from holm_registry.ui.client.single_flight import SingleFlight, with_deadline
from holm_registry.ui.model.progress import Progress

#: How long a page waits for a question before it tells how far it has come, and how long a question
#: that no visitor has fetched is kept, in seconds.
PATIENCE_SECONDS = 3.0
KEPT_SECONDS = 10.0

#: How many are kept, and how many are worked out at once beside requests that wait for theirs.
MAX_KEPT = 16
MAX_AT_ONCE = 8


class PendingQuestions:
    """The questions that visitors' pages are waiting for."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._flights = SingleFlight()
        self._begun: dict[Hashable, Progress] = {}
        self._ready: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def progress(self, key: Hashable) -> Progress:
        """Return how far a question has come."""
        return self._begun.get(key) or Progress()

    async def answer(self, key: Hashable, work: Callable[[Progress], Awaitable[Any]]) -> Any:
        """
        Return what a question says, or None as long as it is still being worked out.

        :param key: Tells questions, and who asks, apart.
        :param work: Works it out, and notes how far it has come.
        """
        found = self._take(key)
        if found is not None:
            return found
        if key not in self._begun and len(self._begun) >= MAX_AT_ONCE:
            return await work(Progress())

        async def run() -> None:
            self._begun[key] = progress = Progress()
            try:
                self._keep(key, await work(progress))
            finally:
                del self._begun[key]

        await with_deadline(self._clock, PATIENCE_SECONDS, lambda: self._flights.join(key, run))
        return self._take(key)

    def _keep(self, key: Hashable, data: Any) -> None:
        self._ready[key] = (self._clock.seconds(), data)
        if len(self._ready) > MAX_KEPT:
            self._ready.popitem(last=False)

    def _take(self, key: Hashable) -> Any:
        """Return what was worked out, once, and only if that was a short while ago."""
        kept_at, data = self._ready.pop(key, (0.0, None))
        return data if self._clock.seconds() - kept_at < KEPT_SECONDS else None
