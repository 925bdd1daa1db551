"""
How much repositories may hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock

from attrs import Factory, define, frozen

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import Denied
from holm_registry.oci.sizes import format_size
from holm_registry.storage.errors import StorageUnavailable

from .locks import NamedLocks

#: From which part of a quota on to warn.
WARN_FROM = 0.9


class QuotaExceeded(Denied):
    """
    A quota has no room.

    :ivar prefix: What the names begin with that the quota is for.
    """

    def __init__(self, prefix: str, limit: int, free: int, more_bytes: int) -> None:
        free = max(0, free)
        super().__init__(
            f"the quota {_of(prefix)} is used up: {format_size(more_bytes)} are needed, and "
            f"{format_size(free)} of {format_size(limit)} are free",
            detail={"quota": prefix, "limit": limit, "free": free, "wanted": more_bytes},
        )
        self.prefix = prefix


@frozen
class RepositoryUse:
    """
    What was found in a repository.

    :ivar content: The bytes of each blob and manifest, each once.
    :ivar sessions: The bytes of each upload session, by the path of its file.
    """

    content: Mapping[Digest, int]
    sessions: Mapping[str, int] = Factory(dict)


@define
class _Change:
    """
    Content that is just coming or going.

    :ivar before: The bytes that the repository held of it.
    :ivar counted: How many of them were counted: none that are not counted yet.
    :ivar reserved: What it may add.
    """

    before: int = 0
    counted: int = 0
    reserved: int = 0


@define
class _Journal:
    """What changed while a repository was measured: content, with its bytes then; sessions."""

    content: dict[Digest, int] = Factory(dict)
    sessions: set[str] = Factory(set)


@define
class _Repository:
    """
    What one repository counts.

    :ivar held: The bytes of the content that is here and not just changing.
    :ivar changes: The content that is just changing.
    :ivar sessions: The bytes of each upload session.
    :ivar parked: The sum of these.
    """

    held: int = 0
    changes: dict[Digest, _Change] = Factory(dict)
    sessions: dict[str, int] = Factory(dict)
    parked: int = 0

    @property
    def total(self) -> int:
        changing = sum(each.counted + each.reserved for each in self.changes.values())
        return self.held + changing + self.parked

    def set_session(self, session: str, size_bytes: int) -> None:
        self.end_session(session)
        self.sessions[session] = size_bytes
        self.parked += size_bytes

    def end_session(self, session: str) -> None:
        self.parked -= self.sessions.pop(session, 0)


class Quotas:
    """
    What repositories hold, and how much they may, by what their names begin with.

    A repository holds each of its blobs and manifests once, and the bytes of its upload sessions;
    what it shares with others counts in each of them. Safe to use from several threads.

    What comes in is *reserved* before it is written, and *settled* when that is over, by what is
    there then. One change of one blob in one repository at a time: those who commit the same blob
    at once find that it is there. Who counts a repository meanwhile does not have to stop it: what
    changed during the count is taken from here, and all else from the count.

    :param limits: How many bytes, by prefix; the empty one is for all repositories together.
    :ivar give_way: Called for a prefix that has no room: makes some, or tells that it cannot.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._lock = Lock()
        self._changing = NamedLocks()
        self._repositories: dict[str, _Repository] = {}
        self._sums: Counter[str] = Counter()
        self._journals: dict[str, _Journal] = {}
        self.give_way: Callable[[str], bool] = lambda _: False

    @property
    def limits(self) -> Mapping[str, int]:
        """How much repositories may hold, by prefix."""
        return self._limits

    @property
    def used(self) -> Mapping[str, int]:
        """How much is known to be held, by prefix."""
        return {prefix: self._sums[prefix] for prefix in self._limits}

    def held(self, repository: str) -> int:
        """Return how much a repository is known to hold."""
        with self._lock:
            found = self._repositories.get(repository)
            return 0 if found is None else found.total

    def parked(self, prefix: str) -> list[tuple[str, str]]:
        """Name the upload sessions that hold any bytes below a prefix, with their repositories."""
        with self._lock:
            return [
                (name, session)
                for name, found in self._repositories.items()
                if name.startswith(prefix)
                for session, size_bytes in found.sessions.items()
                if size_bytes
            ]

    def known(self) -> list[str]:
        """Name the repositories that are known to hold anything."""
        with self._lock:
            return list(self._repositories)

    def covers(self, repository: str) -> bool:
        """Return whether there is any limit for a repository."""
        return any(repository.startswith(prefix) for prefix in self._limits)

    def require(self, repository: str, more_bytes: int = 1) -> None:
        """
        Make sure that a repository may hold so much more.

        :raises QuotaExceeded: It may not.
        """
        self._with_room(lambda: self._require(repository, more_bytes))

    def warning(self, repository: str) -> str | None:
        """Say, in a line, what is nearly used up; None if nothing is."""
        for prefix, limit in self._limits.items():
            part = self._sums[prefix] / limit
            if repository.startswith(prefix) and part >= WARN_FROM:
                return f"{part:.0%} of the quota {_of(prefix)} are used: {format_size(limit)}"
        return None

    @contextmanager
    def changing(
        self,
        repository: str,
        digest: Digest,
        measure: Callable[[], int],
        *,
        adds: int = 0,
        session: str = "",
    ) -> Iterator[None]:
        """
        Count content that comes into a repository, or goes, by what it holds when that is over.

        :param measure: Tells how many bytes of the digest the repository holds now.
        :param adds: How many will come, if it holds none.
        :param session: The upload session that they come from, which counts them so far.
        :raises QuotaExceeded: It would be too much.
        """
        if not self.covers(repository):
            yield
            return
        with self._changing.hold(repository, digest):
            before = measure()
            more = 0 if before else adds
            self._with_room(lambda: self._reserve(repository, digest, before, more, session))
            after = before
            try:
                yield
                after = before + more if adds else 0
            finally:
                try:
                    # Also what failed may have come, or gone.
                    with suppress(StorageUnavailable):
                        after = measure()
                finally:
                    self._settle(repository, digest, after, session)

    def grow(self, repository: str, session: str, more_bytes: int) -> None:
        """
        Count bytes that an upload session is about to get.

        :raises QuotaExceeded: They would be too many.
        """
        if self.covers(repository):
            self._with_room(lambda: self._grow(repository, session, more_bytes))

    def note(self, repository: str, session: str, size_bytes: int) -> None:
        """Count an upload session as large as it is."""
        if not self.covers(repository):
            return
        with self._lock, self._updating(repository) as found:
            found.set_session(session, size_bytes)
            self._touch(repository, session)

    def end(self, repository: str, session: str) -> None:
        """Count an upload session out; fine if it was not counted."""
        if not self.covers(repository):
            return
        with self._lock, self._updating(repository) as found:
            found.end_session(session)
            self._touch(repository, session)

    def count(self, repository: str, measure: Callable[[], RepositoryUse]) -> None:
        """
        Correct what a repository is believed to hold.

        :param measure: Tells what it holds, and may take a while, and be wrong in what changes
            meanwhile.
        """
        self.begin_count(repository)
        try:
            measured = measure()
        except BaseException:
            self._journals.pop(repository, None)
            raise
        self.end_count(repository, measured)

    def begin_count(self, repository: str) -> None:
        """Note from now on what changes in a repository; one count of each at a time."""
        with self._lock:
            self._journals[repository] = _Journal()

    def end_count(self, repository: str, measured: RepositoryUse) -> None:
        """Believe what was measured, but for what changed since the count began."""
        with self._lock, self._updating(repository) as found:
            journal = self._journals.pop(repository)
            content = {**measured.content, **journal.content}
            found.held = sum(size for each, size in content.items() if each not in found.changes)
            for change in found.changes.values():
                change.counted = change.before
            for session in [each for each in found.sessions if each not in journal.sessions]:
                found.end_session(session)
            for session, size in measured.sessions.items():
                if session not in journal.sessions:
                    found.set_session(session, size)

    def _with_room(self, do: Callable[[], None]) -> None:
        """Do something; if there is no room for it, do it again for as long as some can be made."""
        while True:
            try:
                return do()
            except QuotaExceeded as problem:
                if not self.give_way(problem.prefix):
                    raise

    def _require(self, repository: str, more_bytes: int) -> None:
        for prefix, limit in self._limits.items():
            free = limit - self._sums[prefix]
            if repository.startswith(prefix) and more_bytes > free:
                raise QuotaExceeded(prefix, limit, free, more_bytes)

    def _reserve(
        self, repository: str, digest: Digest, before: int, more: int, session: str
    ) -> None:
        with self._lock, self._updating(repository) as found:
            reserved = max(0, more - found.sessions.get(session, 0))
            if reserved:
                self._require(repository, reserved)
            counted = min(before, found.held)
            found.held -= counted
            found.changes[digest] = _Change(before, counted, reserved)

    def _settle(self, repository: str, digest: Digest, after: int, session: str) -> None:
        with self._lock, self._updating(repository) as found:
            change = found.changes.pop(digest)
            found.held += change.counted if after == change.before else after
            if session in found.sessions and after > change.before:
                # They count as content now.
                found.set_session(session, 0)
                self._touch(repository, session)
            if repository in self._journals:
                self._journals[repository].content[digest] = after

    def _grow(self, repository: str, session: str, more_bytes: int) -> None:
        with self._lock, self._updating(repository) as found:
            self._require(repository, more_bytes)
            found.set_session(session, found.sessions.get(session, 0) + more_bytes)
            self._touch(repository, session)

    def _touch(self, repository: str, session: str) -> None:
        if repository in self._journals:
            self._journals[repository].sessions.add(session)

    @contextmanager
    def _updating(self, repository: str) -> Iterator[_Repository]:
        """Keep the sums true while what a repository holds changes."""
        found = self._repositories.setdefault(repository, _Repository())
        before = found.total
        try:
            yield found
        finally:
            more = found.total - before
            for prefix in self._limits:
                if repository.startswith(prefix):
                    self._sums[prefix] += more
            if not (found.held or found.changes or found.sessions):
                del self._repositories[repository]


def _of(prefix: str) -> str:
    return f"of {prefix}*" if prefix else "of all repositories"
