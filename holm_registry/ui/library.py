"""
What one visitor knows of a registry: names, tags, and the digests behind them.

All of it may change at any moment; each part says how old it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from math import inf
from os import urandom
from typing import Any, TypeVar

from attrs import Factory, define, frozen

from .flights import Flights

#: Of how many visitors with logins names are remembered.
MAX_VISITORS = 8

#: How much missing content of one repository is remembered.
MAX_ABSENT = 10_000

#: How much is kept that was worked out from one set of tags: orders, counts, totals.
MAX_REMEMBERED = 12

#: What is wrong with a tag that the registry lists, and has nothing behind.
DANGLING = "manifest missing"

T = TypeVar("T")


@define
class KnownTag:
    """
    :ivar digest: What it points to; empty while that is not known.
    :ivar seen_at: When that was last seen, in seconds of the clock.
    :ivar problem: Why it could not be looked at.
    :ivar settled: Whether all was found out about it that can be.
    """

    digest: str = ""
    seen_at: float = -inf
    problem: str = ""
    settled: bool = False


@frozen
class TagShot:
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

    tags: tuple[TagShot, ...]
    absent: frozenset[str] = frozenset()
    memory: dict[Hashable, Any] = Factory(dict)

    def remember(self, key: Hashable, value: T) -> T:
        """Keep something that was worked out; not ever more of it."""
        if len(self.memory) >= MAX_REMEMBERED:
            self.memory.clear()
        self.memory[key] = value
        return value


@frozen(eq=False)
class RepositoryShot:
    """
    A repository at a moment.

    :ivar listed_at: When its tags were listed; minus infinity for never.
    """

    name: str
    tagset: TagSet
    listed_at: float
    problem: str

    @property
    def tags(self) -> tuple[TagShot, ...]:
        """The tags, in the registry's order."""
        return self.tagset.tags

    @property
    def listed(self) -> bool:
        """Whether its tags are known."""
        return self.listed_at > -inf


@define
class KnownRepository:
    """
    A repository, and what was last seen of it.

    :ivar doubted: Whether it was changed since its tags were listed.
    :ivar problem: Why its tags could not be listed when they were last wanted. A text: an exception
        would hold on to whose login it was.
    :ivar studied_at: When all tags were last looked through, and which version of it that left.
    :ivar methods: What the registry says that this visitor may do to its images, as HTTP's methods;
        None where it says nothing.
    :ivar absent: Content that its manifests name and that is not there, and when that was seen.
    """

    name: str
    tags: dict[str, KnownTag] = Factory(dict)
    listed_at: float = -inf
    doubted: bool = False
    problem: str = ""
    absent: dict[str, float] = Factory(dict)
    methods: frozenset[str] | None = None
    version: int = 0
    studied_at: float = -inf
    studied_version: int = -1
    _set: TagSet | None = None
    _set_version: int = -1

    @property
    def listed(self) -> bool:
        """Whether its tags are known."""
        return self.listed_at > -inf

    @property
    def may_delete(self) -> bool:
        """Whether the visitor may delete what is in it, for all that is known."""
        return self.methods is None or "DELETE" in self.methods

    def list_tags(self, names: list[str], asked_at: float) -> None:
        """
        Take over a list of tags; what is known of those that remain stays.

        :param asked_at: When it was asked for; one that is older than the last is passed over.
        """
        if asked_at < self.listed_at:
            return
        if list(self.tags) != names:
            self.tags = {name: self.tags.get(name) or KnownTag() for name in names}
            self.version += 1
        self.listed_at, self.problem = asked_at, ""

    def see(self, tag: str, digest: str, asked_at: float) -> None:
        """Note where a tag points; what was asked before the last time is passed over."""
        known = self.tags.get(tag)
        if known is None or asked_at < known.seen_at:
            return
        if (known.digest, known.problem) != (digest, ""):
            self.version += 1
            known.settled = known.settled and known.digest == digest
        known.digest, known.seen_at, known.problem = digest, asked_at, ""

    def settle(self, tag: str) -> None:
        """Note that there is nothing more to find out about a tag, as long as it stays there."""
        known = self.tags.get(tag)
        if known is not None and not known.settled:
            known.settled = True
            self.version += 1

    def miss(self, tag: str, problem: str, asked_at: float) -> None:
        """Note why a tag could not be looked at."""
        known = self.tags.get(tag)
        if known is not None and asked_at >= known.seen_at:
            known.problem, known.seen_at, known.settled = problem, asked_at, True
            if problem == DANGLING:
                # What it pointed to before is gone: nobody may be asked to delete that.
                known.digest = ""
            self.version += 1

    def lack(self, digest: str, now: float) -> None:
        """Note that content is not there."""
        if len(self.absent) >= MAX_ABSENT:
            self.absent.clear()
        # That it is still missing is nothing new.
        self.version += digest not in self.absent
        self.absent[digest] = now

    def regain(self, digest: str) -> None:
        """Note that content is there, which was not before."""
        if self.absent.pop(digest, None) is not None:
            self.version += 1

    def shot(self) -> RepositoryShot:
        """Take a picture."""
        if self._set is None or self._set_version != self.version:
            tags = tuple(
                TagShot(name, tag.digest, tag.problem, tag.settled)
                for name, tag in self.tags.items()
            )
            self._set = TagSet(tags, frozenset(self.absent))
            self._set_version = self.version
        return RepositoryShot(self.name, self._set, self.listed_at, self.problem)


@define
class Library:
    """
    All repositories of one registry, as one visitor sees them.

    :ivar named_at: When the repositories were listed; minus infinity for never.
    :ivar doubted: Whether something was changed since then.
    :ivar surveyed_at: When everything was last looked through.
    :ivar changes: How often something was changed from here.
    :ivar memory: What was worked out from all of it, by whoever did.
    :ivar removes_tags: Whether the registry can remove a tag without its image; None for unknown.
    :ivar is_believed: Whether the registry has ever answered this visitor: a login was right then.
    """

    repositories: dict[str, KnownRepository] = Factory(dict)
    named_at: float = -inf
    doubted: bool = False
    surveyed_at: float = -inf
    changes: int = 0
    removes_tags: bool | None = None
    is_believed: bool = False
    flights: Flights = Factory(Flights)
    memory: dict[Hashable, Any] = Factory(dict)

    def list_repositories(self, names: list[str], asked_at: float, changes: int) -> None:
        """
        Take over the list of repositories.

        :param asked_at: When it was asked for; one that is older than the last is passed over.
        :param changes: How many changes had been made then.
        """
        if asked_at < self.named_at:
            return
        old = self.repositories
        if list(old) != names:
            self.repositories = {name: old.get(name) or KnownRepository(name) for name in names}
        self.named_at = asked_at
        self.doubted = self.doubted and self.changes != changes

    def may_delete(self, name: str) -> bool:
        """Tell whether the visitor may delete what is in a repository, for all that is known."""
        known = self.repositories.get(name)
        return known is None or known.may_delete

    @property
    def may_gain(self) -> bool:
        """Whether the registry lets others do more than this visitor, for all that is known."""
        return any(
            each.methods is not None and "PUT" not in each.methods
            for each in self.repositories.values()
        )

    def hear(self, repository: str, allow: str) -> None:
        """
        Note that the registry has answered.

        :param repository: What the answer was about; empty for none.
        :param allow: The answer's ``Allow`` header; empty for none.
        """
        self.is_believed = True
        known = self.repositories.get(repository)
        if known is not None and allow:
            known.methods = frozenset(method.strip().upper() for method in allow.split(","))

    def repository(self, name: str) -> KnownRepository:
        """Give a repository, adding one that the list does not have yet."""
        return self.repositories.setdefault(name, KnownRepository(name))

    def forget_names(self) -> None:
        """Note that the registry lists no repositories any more; forget those it did."""
        if self.named_at > -inf:
            self.repositories, self.named_at = {}, -inf
            self.memory.clear()

    def forget(self, name: str) -> None:
        """Note that a repository is gone."""
        self.repositories.pop(name, None)

    def doubt(self, name: str) -> None:
        """Note that a repository was changed, so that it is looked at again."""
        self.doubted = True
        self.changes += 1
        known = self.repositories.get(name)
        if known is not None:
            known.doubted = True
            for tag in known.tags.values():
                tag.seen_at = -inf

    def shots(self) -> tuple[RepositoryShot, ...]:
        """Take a picture of each repository."""
        return tuple(repository.shot() for repository in self.repositories.values())


class Libraries:
    """A library for each login; those not used for longest are forgotten."""

    def __init__(self) -> None:
        self._key = urandom(32)
        self._libraries: OrderedDict[bytes, Library] = OrderedDict()

    def of(self, authorization: str) -> Library:
        """
        Give the library of a login.

        The login itself is not kept: what is, is a hash of it under a key of this process.
        """
        key = self._hashed(authorization)
        library = self._libraries.setdefault(key, Library())
        self._libraries.move_to_end(key)
        if len(self._libraries) > MAX_VISITORS:
            self._forget_one()
        return library

    def __len__(self) -> int:
        return len(self._libraries)

    def _forget_one(self) -> None:
        """Forget an older one that was never believed, or else the oldest: guesses cost nobody."""
        older = list(self._libraries)[:-1]
        unbelieved = (key for key in older if not self._libraries[key].is_believed)
        del self._libraries[next(unbelieved, older[0])]

    def believes(self, authorization: str) -> bool:
        """Tell whether the registry has answered whoever has this login, as far as we remember."""
        library = self._libraries.get(self._hashed(authorization))
        return library is not None and library.is_believed

    def _hashed(self, authorization: str) -> bytes:
        return blake2b(authorization.encode(), key=self._key).digest()
