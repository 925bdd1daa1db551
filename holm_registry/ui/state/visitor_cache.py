"""
What one visitor knows of a registry: names, tags, and the digests behind them.

All of it may change at any moment; each part says how old it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from hashlib import blake2b
from math import inf
from os import urandom
from typing import Any

from attrs import Factory, define

from holm_registry.ui.client.single_flight import BackgroundSlots, SingleFlight
from holm_registry.ui.model.snapshots import DANGLING, RepositorySnapshot, TagSet, TagSnapshot
from holm_registry.ui.model.text import count_text

from .names_budget import COST_OF_ABSENT, COST_OF_REPOSITORY, COST_OF_TAG, NamesBudget

#: Of how many visitors with logins names are remembered.
MAX_VISITORS = 8

#: How many surveys of a whole registry, and how many studies of one repository, are under way at
#: once, for all visitors.
MAX_SURVEYS = 2
MAX_STUDIES = 4

#: How much missing content of one repository is remembered.
MAX_ABSENT = 1000

#: How many repositories of one visitor are remembered, and how much of an ``Allow`` header.
MAX_REPOSITORIES = 20_000
MAX_ALLOW = 100


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


@define(eq=False)
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
    :ivar cut: How many tags it has at least, where not all are remembered; else 0.
    :ivar is_aside: Whether its tags are not remembered, since there is no room for them.
    """

    name: str
    budget: NamesBudget = Factory(NamesBudget)
    tags: dict[str, KnownTag] = Factory(dict)
    listed_at: float = -inf
    doubted: bool = False
    problem: str = ""
    absent: dict[str, float] = Factory(dict)
    methods: frozenset[str] | None = None
    version: int = 0
    studied_at: float = -inf
    studied_version: int = -1
    cut: int = 0
    is_aside: bool = False
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

    def list_tags(
        self,
        names: list[str],
        asked_at: float,
        *,
        complete: bool = True,
        make_room: bool = True,
    ) -> None:
        """
        Take over a list of tags; what is known of those that remain stays.

        Of more than there is room for at all, the first are remembered.

        :param asked_at: When it was asked for; one that is older than the last is passed over.
        :param complete: Whether these are all the tags that there are.
        :param make_room: Whether other repositories are forgotten for it; if not, and there is no
            room, its tags are not remembered.
        """
        if asked_at < self.listed_at:
            return
        total, names = len(names), self._fitting(names)
        if not self.budget.hold(self, self._cost(names), make_room=make_room):
            self._put_aside(total)
            return
        self.cut = 0 if complete and len(names) == total else total
        self.is_aside = False
        if list(self.tags) != names:
            self.tags = {name: self.tags.get(name) or KnownTag() for name in names}
            self.version += 1
        self.listed_at, self.problem = asked_at, ""

    def _fitting(self, names: list[str]) -> list[str]:
        room = self.budget.max_bytes - self._cost([])
        for count, name in enumerate(names):
            room -= COST_OF_TAG + len(name)
            if room < 0:
                return names[:count]
        return names

    def _cost(self, names: Iterable[str]) -> int:
        # What it costs without tags is reckoned with the list that it is on.
        absent = COST_OF_ABSENT * len(self.absent)
        return COST_OF_REPOSITORY + absent + sum(COST_OF_TAG + len(name) for name in names)

    def let_go(self) -> None:
        """Forget the tags: others need the room."""
        self._put_aside(self.cut or len(self.tags))

    def _put_aside(self, count: int) -> None:
        self.budget.release(self)
        self.tags, self.absent, self.cut = {}, {}, 0
        self.version += 1
        self.listed_at, self.is_aside = -inf, True
        self.problem = (
            f"{count_text(count, 'tag')} not counted: more than is remembered at once; "
            "open the repository to see them"
        )

    def see(self, tag: str, digest: str, asked_at: float) -> None:
        """Note where a tag points; what was asked before the last time is passed over."""
        known = self.tags.get(tag)
        if known is None or asked_at < known.seen_at:
            return
        if (known.digest, known.problem) != (digest, ""):
            self.version += 1
            known.settled = known.settled and known.digest == digest
        known.digest, known.seen_at, known.problem = digest, asked_at, ""

    def mark_settled(self, tag: str) -> None:
        """Note that there is nothing more to find out about a tag, as long as it stays there."""
        known = self.tags.get(tag)
        if known is not None and not known.settled:
            known.settled = True
            self.version += 1

    def mark_failed(self, tag: str, problem: str, asked_at: float) -> None:
        """Note why a tag could not be looked at."""
        known = self.tags.get(tag)
        if known is not None and asked_at >= known.seen_at:
            known.problem, known.seen_at, known.settled = problem, asked_at, True
            if problem == DANGLING:
                # What it pointed to before is gone: no visitor may be asked to delete that.
                known.digest = ""
            self.version += 1

    def mark_missing(self, digest: str, now: float) -> None:
        """Note that content is not there."""
        if digest not in self.absent and not (
            len(self.absent) < MAX_ABSENT and self.budget.grow(self, COST_OF_ABSENT)
        ):
            self.budget.grow(self, -COST_OF_ABSENT * len(self.absent))
            self.absent.clear()
            return
        # That it is still missing is nothing new.
        self.version += digest not in self.absent
        self.absent[digest] = now

    def regain(self, digest: str) -> None:
        """Note that content is there, which was not before."""
        if self.absent.pop(digest, None) is not None:
            self.budget.grow(self, -COST_OF_ABSENT)
            self.version += 1

    def snapshot(self) -> RepositorySnapshot:
        """Take a picture."""
        if self._set is None or self._set_version != self.version:
            tags = tuple(
                TagSnapshot(name, tag.digest, tag.problem, tag.settled)
                for name, tag in self.tags.items()
            )
            self._set = TagSet(tags, frozenset(self.absent))
            self._set_version = self.version
        return RepositorySnapshot(self.name, self._set, self.listed_at, self.problem, self.cut)


@define(eq=False)
class RegistryView:
    """
    All repositories of one registry, as one visitor sees them.

    :ivar budget: The room for names, which all visitors share.
    :ivar cut: How many repositories there are at least, where not all are remembered; else 0.
    :ivar named_at: When the repositories were listed; minus infinity for never.
    :ivar doubted: Whether something was changed since then.
    :ivar surveyed_at: When everything was last looked through.
    :ivar surveys: How many visitors' repositories are looked through at once.
    :ivar studies: How many repositories' tags are looked through at once beside that.
    :ivar changes: How often something was changed from here.
    :ivar memory: What views have computed from all of it.
    :ivar removes_tags: Whether the registry can remove a tag without its image; None for unknown.
    :ivar is_believed: Whether the registry has ever answered this visitor: a login was right then.
    """

    repositories: dict[str, KnownRepository] = Factory(dict)
    budget: NamesBudget = Factory(NamesBudget)
    cut: int = 0
    named_at: float = -inf
    doubted: bool = False
    surveyed_at: float = -inf
    changes: int = 0
    removes_tags: bool | None = None
    is_believed: bool = False
    flights: SingleFlight = Factory(SingleFlight)
    surveys: BackgroundSlots = Factory(lambda: BackgroundSlots(MAX_SURVEYS))
    studies: BackgroundSlots = Factory(lambda: BackgroundSlots(MAX_STUDIES))
    memory: dict[Hashable, Any] = Factory(dict)

    def list_repositories(
        self, names: list[str], asked_at: float, changes: int, *, complete: bool = True
    ) -> None:
        """
        Take over the list of repositories; of very many, the first.

        :param asked_at: When it was asked for; one that is older than the last is passed over.
        :param changes: How many changes had been made then.
        :param complete: Whether these are all the repositories that there are.
        """
        if asked_at < self.named_at:
            return
        self.cut = 0 if complete and len(names) <= MAX_REPOSITORIES else len(names)
        names = names[:MAX_REPOSITORIES]
        # Before the names are taken over: the cache that makes room may be this one.
        cost = sum(COST_OF_REPOSITORY + len(name) for name in names)
        self.budget.hold(self, cost, make_room=True)
        if list(self.repositories) != names:
            old: dict[str, KnownRepository] = self.repositories
            self.repositories = {}
            for name in names:
                known = old.pop(name) if name in old else self._new(name)
                self.repositories[name] = known
            for gone in old.values():
                self.budget.release(gone)
        self.named_at = asked_at
        self.doubted = self.doubted and self.changes != changes

    def may_delete(self, name: str) -> bool:
        """Return whether the visitor may delete what is in a repository, for all that is known."""
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
            known.methods = frozenset(
                method.strip().upper() for method in allow[:MAX_ALLOW].split(",")
            )

    def repository(self, name: str) -> KnownRepository:
        """Return a repository, adding one that the list does not have yet."""
        known = self.repositories.get(name)
        if known is None:
            if len(self.repositories) >= MAX_REPOSITORIES:
                self.forget(next(iter(self.repositories)))
            known = self.repositories[name] = self._new(name)
            self.budget.grow(self, COST_OF_REPOSITORY + len(name))
        self.budget.use(self)
        self.budget.use(known)
        return known

    def keep(self, known: KnownRepository) -> None:
        """Have a repository, also where making room for its tags has made us forget its name."""
        self.repositories.setdefault(known.name, known)

    def _new(self, name: str) -> KnownRepository:
        return KnownRepository(name, self.budget)

    def let_go(self) -> None:
        """Forget all names: others need the room."""
        for repository in self.repositories.values():
            self.budget.release(repository)
        self.budget.release(self)
        self.repositories, self.named_at, self.cut = {}, -inf, 0
        self.surveyed_at = -inf
        self.memory.clear()

    def close(self) -> None:
        """Forget everything, and cancel what runs in the background."""
        self.let_go()
        self.flights.cancel()

    def forget_names(self) -> None:
        """Note that the registry lists no repositories any more; forget those it did."""
        if self.named_at > -inf:
            self.let_go()

    def forget(self, name: str) -> None:
        """Note that a repository is gone."""
        gone = self.repositories.pop(name, None)
        if gone is not None:
            self.budget.release(gone)
            self.budget.grow(self, -COST_OF_REPOSITORY - len(name))

    def invalidate(self, name: str) -> None:
        """Note that a repository was changed, so that it is looked at again."""
        self.doubted = True
        self.changes += 1
        known = self.repositories.get(name)
        if known is not None:
            known.doubted = True
            for tag in known.tags.values():
                tag.seen_at = -inf

    def snapshots(self) -> tuple[RepositorySnapshot, ...]:
        """Take a picture of each repository."""
        return tuple(repository.snapshot() for repository in self.repositories.values())


class VisitorCaches:
    """A library for each login; those not used for longest are forgotten."""

    def __init__(self) -> None:
        self._key = urandom(32)
        self.budget = NamesBudget()
        self._surveys = BackgroundSlots(MAX_SURVEYS)
        self._studies = BackgroundSlots(MAX_STUDIES)
        self._libraries: OrderedDict[bytes, RegistryView] = OrderedDict()

    def of(self, authorization: str) -> RegistryView:
        """
        Return the library of a login.

        The login itself is not kept: what is, is a hash of it under a key of this process.
        """
        key = self._hashed(authorization)
        library = self._libraries.get(key)
        if library is None:
            library = self._libraries[key] = RegistryView(
                budget=self.budget, surveys=self._surveys, studies=self._studies
            )
        self._libraries.move_to_end(key)
        if len(self._libraries) > MAX_VISITORS:
            self._forget_one()
        return library

    def __len__(self) -> int:
        return len(self._libraries)

    def _forget_one(self) -> None:
        """Forget an older one that was never accepted, or else the oldest: guesses cost no one."""
        older = list(self._libraries)[:-1]
        unbelieved = (key for key in older if not self._libraries[key].is_believed)
        self._libraries.pop(next(unbelieved, older[0])).close()

    def believes(self, authorization: str) -> bool:
        """Return whether the registry has answered with this login, as far as is remembered."""
        library = self._libraries.get(self._hashed(authorization))
        return library is not None and library.is_believed

    def _hashed(self, authorization: str) -> bytes:
        return blake2b(authorization.encode(), key=self._key).digest()
