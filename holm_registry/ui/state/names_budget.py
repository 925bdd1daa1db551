"""
How much is remembered of names and tags: one budget for all repositories of all visitors.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

#: What all names and tags together may cost, in bytes, as far as that can be reckoned.
NAMES_BYTES = 36 * 1024 * 1024

#: What a repository and a tag cost, with what is worked out from them, beside their names; and what
#: is noted of missing content. In bytes, measured.
COST_OF_REPOSITORY = 1100
COST_OF_TAG = 600
COST_OF_ABSENT = 250


class BudgetedCache(Protocol):
    """Something that remembers names, and can be told to forget them."""

    def let_go(self) -> None:
        """Forget them: others need the room."""


class NamesBudget:
    """
    Shares out the room for names; what was not used for longest makes room.

    :param max_bytes: What all holders together may cost.
    """

    def __init__(self, max_bytes: int = NAMES_BYTES) -> None:
        self.max_bytes = max_bytes
        self.cost_bytes = 0
        self._holders: OrderedDict[int, tuple[BudgetedCache, int]] = OrderedDict()

    def hold(self, holder: BudgetedCache, cost_bytes: int, *, make_room: bool) -> bool:
        """
        Have room for what a holder remembers now, in place of what it did before.

        :param make_room: Whether others are told to forget.
        :return: Whether there is room; if not, the holder has none.
        """
        self.release(holder)
        if cost_bytes > self.max_bytes:
            return False
        while make_room and self.cost_bytes + cost_bytes > self.max_bytes:
            other, _ = next(iter(self._holders.values()))
            self.release(other)
            other.let_go()
        if self.cost_bytes + cost_bytes > self.max_bytes:
            return False
        self._holders[id(holder)] = (holder, cost_bytes)
        self.cost_bytes += cost_bytes
        return True

    def grow(self, holder: BudgetedCache, by_bytes: int) -> bool:
        """
        Have room for something more, or less, of what a holder remembers.

        :return: Whether there is room; if not, nothing has changed.
        """
        if by_bytes > 0 and self.cost_bytes + by_bytes > self.max_bytes:
            return False
        _, cost_bytes = self._holders.get(id(holder), (holder, 0))
        grown = max(0, cost_bytes + by_bytes)
        self._holders[id(holder)] = (holder, grown)
        self.cost_bytes += grown - cost_bytes
        return True

    def release(self, holder: BudgetedCache) -> None:
        """Note that a holder remembers nothing any more."""
        _, cost_bytes = self._holders.pop(id(holder), (holder, 0))
        self.cost_bytes -= cost_bytes

    def use(self, holder: BudgetedCache) -> None:
        """Note that what a holder remembers was wanted."""
        if id(holder) in self._holders:
            self._holders.move_to_end(id(holder))
