"""
How much repositories may hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from holm_registry.oci.errors import Denied
from holm_registry.oci.sizes import format_size

#: From which part of a quota on to warn.
WARN_FROM = 0.9

#: How often to count a repository again that changes while it is counted.
_ATTEMPTS = 3


class Quotas:
    """
    What repositories hold, and how much they may, by what their names begin with.

    What a repository holds is each of its blobs and manifests once; what it shares with others
    counts in each of them. Safe to use from several threads.

    :param limits: How many bytes, by prefix; the empty one is for all repositories together.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._lock = Lock()
        self._held: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()
        self._changes: Counter[str] = Counter()

    @property
    def limits(self) -> Mapping[str, int]:
        """How much repositories may hold, by prefix."""
        return self._limits

    @property
    def used(self) -> Mapping[str, int]:
        """How much is known to be held, by prefix."""
        return {prefix: self._sums[prefix] for prefix in self._limits}

    def known(self) -> list[str]:
        """Name the repositories that are known to hold anything."""
        with self._lock:
            return list(self._held)

    def covers(self, repository: str) -> bool:
        """Tell whether there is any limit for a repository."""
        return any(repository.startswith(prefix) for prefix in self._limits)

    def require(self, repository: str, more_bytes: int = 1) -> None:
        """
        Make sure that a repository may hold so much more.

        :raises Denied: It may not.
        """
        for prefix, limit in self._limits.items():
            if repository.startswith(prefix) and self._sums[prefix] + more_bytes > limit:
                raise Denied(f"the quota {_of(prefix)} is used up: {format_size(limit)}")

    def warning(self, repository: str) -> str | None:
        """Say, in a line, what is nearly used up; None if nothing is."""
        for prefix, limit in self._limits.items():
            part = self._sums[prefix] / limit
            if repository.startswith(prefix) and part >= WARN_FROM:
                return f"{part:.0%} of the quota {_of(prefix)} are used: {format_size(limit)}"
        return None

    @contextmanager
    def taking(
        self, repository: str, size_bytes: int, is_there: Callable[[], bool]
    ) -> Iterator[None]:
        """
        Count something that a repository takes in, unless that fails, or it is there already.

        :raises Denied: It would be too much.
        """
        if not self.covers(repository) or is_there():
            yield
            return
        with self._lock:
            self.require(repository, size_bytes)
            self._change(repository, size_bytes)
        try:
            yield
        except BaseException:
            self.release(repository, size_bytes)
            raise

    def release(self, repository: str, size_bytes: int) -> None:
        """Count out something that a repository no longer holds."""
        with self._lock:
            self._change(repository, -size_bytes)

    def count(self, repository: str, measure: Callable[[], int]) -> None:
        """
        Correct what a repository is believed to hold.

        :param measure: Tells what it holds, and may take a while. What comes and goes meanwhile is
            not lost: then it is asked again, and at last what is believed stays.
        """
        for _ in range(_ATTEMPTS):
            before = self._changes[repository]
            size = measure()
            with self._lock:
                if self._changes[repository] == before:
                    self._change(repository, size - self._held[repository])
                    return

    def _change(self, repository: str, more_bytes: int) -> None:
        self._changes[repository] += 1
        self._held[repository] += more_bytes
        for prefix in self._limits:
            if repository.startswith(prefix):
                self._sums[prefix] += more_bytes
        if not self._held[repository]:
            del self._held[repository]


def _of(prefix: str) -> str:
    return f"of {prefix}*" if prefix else "of all repositories"
