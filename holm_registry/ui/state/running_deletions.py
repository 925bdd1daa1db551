"""
Deletions under way, and how each ended, until the page that follows it has told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from secrets import token_urlsafe

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from holm_registry.ui.client.single_flight import log_unexpected, with_deadline
from holm_registry.ui.model.progress import Progress

from .flash_messages import DeletionOutcome

#: How long a page waits for the end before it tells how far it has come, in seconds.
PATIENCE_SECONDS = 3.0

#: How many are under way at once beside requests that wait for theirs, and how many that have ended
#: are kept.
MAX_AT_ONCE = 16
MAX_ENDED = 64


@define(eq=False)
class RunningDeletion:
    """
    One deletion.

    :ivar outcome: What became of it; None while it goes on, or if it failed as a whole.
    :ivar problem: Why it failed as a whole.
    """

    key: str
    repository: str
    progress: Progress
    outcome: DeletionOutcome | None = None
    problem: Exception | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.outcome is not None or self.problem is not None

    def result(self) -> DeletionOutcome:
        """
        Return what became of it.

        :raises UiError: It failed as a whole.
        """
        if self.problem is not None:
            raise _bare(self.problem)
        if self.outcome is None:
            raise RuntimeError("the deletion goes on")
        return self.outcome


class RunningDeletions:
    """The deletions that visitors' pages are waiting for, by a key that cannot be guessed."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._running: dict[str, tuple[RunningDeletion, Deferred[None]]] = {}
        self._ended: OrderedDict[str, RunningDeletion] = OrderedDict()

    @property
    def full(self) -> bool:
        """Whether no more may be under way."""
        return len(self._running) >= MAX_AT_ONCE

    def begin(
        self, repository: str, work: Callable[[Progress], Awaitable[DeletionOutcome]]
    ) -> RunningDeletion:
        """Start a deletion, which goes on whether its visitor waits or not."""
        deletion = RunningDeletion(token_urlsafe(9), repository, Progress())
        over: Deferred[None] = Deferred()
        self._running[deletion.key] = (deletion, over)

        async def run() -> None:
            try:
                deletion.outcome = await work(deletion.progress)
            except Exception as problem:  # noqa: BLE001 - raised again for the page that asks
                log_unexpected(Failure(problem))  # type: ignore[no-untyped-call]
                deletion.problem = _bare(problem)
            self._end(deletion)
            over.callback(None)

        Deferred.fromCoroutine(run())
        return deletion

    def find(self, key: str, repository: str) -> RunningDeletion | None:
        """Return a deletion of a repository, if there is one of this key."""
        found = self._running[key][0] if key in self._running else self._ended.get(key)
        return found if found is not None and found.repository == repository else None

    async def wait(self, deletion: RunningDeletion) -> bool:
        """Wait for the end of a deletion, but not for long; tell whether it has come."""
        if deletion.ended:
            return True
        over = self._running[deletion.key][1]
        return await with_deadline(self._clock, PATIENCE_SECONDS, lambda: _after(over))

    def _end(self, deletion: RunningDeletion) -> None:
        del self._running[deletion.key]
        self._ended[deletion.key] = deletion
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)


def _bare(problem: Exception) -> Exception:
    """Copy an exception without all it went through, which may hold a login."""
    copied = type(problem).__new__(type(problem), *problem.args)
    copied.__dict__.update(problem.__dict__)
    return copied


def _after(over: Deferred[None]) -> Deferred[None]:
    """Return a deferred of one's own that ends with another."""
    mine: Deferred[None] = Deferred()

    def tell(_result: None) -> None:
        if not mine.called:
            mine.callback(None)

    over.addCallback(tell)
    return mine
