from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from .driver import Driver, GrowingObject, ObjectReader, Stat
from .errors import StorageUnavailable


class ReadOnlyDriver:
    """
    Another driver, of which nothing is changed: for a mount, or a user, that may only read.

    Implements :class:`.driver.Driver`, which describes the methods.

    :param driver: Where everything is read from.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def stat(self, path: str) -> Stat:
        return self._driver.stat(path)

    def read(self, path: str) -> bytes:
        return self._driver.read(path)

    def open(self, path: str) -> ObjectReader:
        return self._driver.open(path)

    def folders(self, path: str) -> Sequence[str]:
        return self._driver.folders(path)

    def refresh(self, path: str) -> None:
        """Check that the object exists: no push can come that would need it to stay."""
        self._driver.stat(path)

    def put(self, path: str, content: bytes) -> None:
        """Refuse."""
        _refuse()

    def delete(self, path: str, *, durably: bool = True) -> None:
        """Refuse."""
        _refuse()

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        """Refuse."""
        _refuse()

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        return self._driver.objects(path)

    def prune(self, path: str) -> bool:
        """Refuse."""
        _refuse()

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        """Refuse."""
        _refuse()

    def sync(self) -> None:
        """Do nothing: nothing was swept."""

    def move(self, path: str, target: str) -> None:
        """Refuse."""
        _refuse()

    def require(self) -> None:
        self._driver.require()

    def mark(self) -> None:
        """Refuse."""
        _refuse()

    def is_emptied(self, path: str) -> bool:
        return self._driver.is_emptied(path)

    def seconds(self) -> float:
        """Return the time of this machine: there is nothing to compare it with."""
        return time.time()

    def free_bytes(self) -> int | None:
        return self._driver.free_bytes()

    def lock(
        self, name: str, wait_seconds: float = 0.0, *, traceless: bool = False
    ) -> AbstractContextManager[None]:
        """Do not lock: a read-only command cannot conflict with writers."""
        return nullcontext()

    def create_upload(self, path: str, content: bytes = b"") -> None:
        """Refuse."""
        _refuse()

    def open_upload(self, path: str) -> GrowingObject:
        """Refuse."""
        _refuse()


def _refuse() -> NoReturn:
    raise StorageUnavailable("the store is read-only")
