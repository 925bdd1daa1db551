"""
What is known of a repository at one moment, safe to hand to another thread.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import Any, TypeVar

from attrs import Factory, define, frozen

#: How much is kept that was worked out from one set of tags: orders, counts, totals.
MAX_REMEMBERED = 12

#: What is wrong with a tag that the registry lists, and has nothing behind.
DANGLING = "manifest missing"

T = TypeVar("T")


@frozen
class TagSnapshot:
    """A tag at a moment."""

    name: str
    digest: str
    problem: str = ""
    settled: bool = False


@define(eq=False)
class TagSet:
    """
    The tags of a repository at a moment, safe to hand to another thread.

    :ivar absent: Content that their manifests name and that the registry does not have.
    :ivar memory: What was worked out from them; forgotten when there is a new set.
    """

    tags: tuple[TagSnapshot, ...]
    absent: frozenset[str] = frozenset()
    memory: dict[Hashable, Any] = Factory(dict)

    def remember(self, key: Hashable, value: T) -> T:
        """Keep something that was worked out; not ever more of it."""
        if len(self.memory) >= MAX_REMEMBERED:
            self.memory.clear()
        self.memory[key] = value
        return value


@frozen(eq=False)
class RepositorySnapshot:
    """
    A repository at a moment.

    :ivar listed_at: When its tags were listed; minus infinity for never.
    :ivar cut: How many tags it has, where these are not all of them; else 0.
    """

    name: str
    tagset: TagSet
    listed_at: float
    problem: str
    cut: int = 0

    @property
    def tags(self) -> tuple[TagSnapshot, ...]:
        """The tags, in the registry's order."""
        return self.tagset.tags

    @property
    def listed(self) -> bool:
        """Whether its tags are known."""
        return self.listed_at > -inf
