from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock

_STRIPES = 64


class Locks:
    """
    One lock for each name, from a fixed number of them.

    Two names may share a lock, so a thread must never hold two of the same set at once.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(_STRIPES))

    @contextmanager
    def hold(self, *name: Hashable) -> Iterator[None]:
        """Keep others who hold the same name out."""
        with self._locks[hash(name) % _STRIPES]:
            yield
