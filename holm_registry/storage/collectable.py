"""
What garbage collection, and writers beside it, need of a storage driver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .driver import Driver, Stat


class Collectable(Driver, Protocol):
    """A driver whose objects can be removed while others write, unless they are refreshed."""

    def refresh(self, path: str) -> None:
        """
        Set an object's modification time to now.

        :raises NotFound: There is no such object.
        """

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        """
        Remove an object, the only one in its folder, unless it is needed after all.

        The object is hidden first. A request for it while it is hidden restores it.

        :param spare: Called with the hidden object's stat; returns whether to keep the object.
        :return: Whether the object is gone; True also if only its empty folder was left.
        """

    def sync(self) -> None:
        """Make all removals by :meth:`sweep` so far durable."""

    def prune(self, path: str) -> bool:
        """Remove the empty folders at and under a path; return whether none is left."""
