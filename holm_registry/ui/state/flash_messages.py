"""
What became of a deletion, until the next page has told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from secrets import token_urlsafe

from attrs import frozen

#: How many are kept that no visitor has fetched.
MAX_OUTCOMES = 64


@frozen
class DeletedItem:
    """
    One thing that was to be deleted.

    :ivar problem: Why it was not; empty if it was.
    :ivar registry_status: The status that the registry answered with, if that was the problem.
    """

    what: str
    problem: str = ""
    registry_status: int | None = None


@frozen
class DeletionOutcome:
    """
    :ivar repository: Where it was done.
    :ivar images: Whether images were deleted, rather than tags removed.
    """

    repository: str
    items: Sequence[DeletedItem]
    images: bool

    @property
    def done(self) -> Sequence[DeletedItem]:
        """What was deleted."""
        return [item for item in self.items if not item.problem]

    @property
    def failed(self) -> Sequence[DeletedItem]:
        """What was not."""
        return [item for item in self.items if item.problem]


class FlashMessages:
    """Outcomes by a key that cannot be guessed."""

    def __init__(self) -> None:
        self._outcomes: OrderedDict[str, DeletionOutcome] = OrderedDict()

    def keep(self, outcome: DeletionOutcome) -> str:
        """Keep an outcome; give its key."""
        key = token_urlsafe(9)
        self._outcomes[key] = outcome
        if len(self._outcomes) > MAX_OUTCOMES:
            self._outcomes.popitem(last=False)
        return key

    def get(self, key: str | None, repository: str) -> DeletionOutcome | None:
        """Return an outcome of a repository, if there is one of this key."""
        found = self._outcomes.get(key or "")
        return found if found is not None and found.repository == repository else None
