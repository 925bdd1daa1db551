from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from .driver import GrowingObject, ObjectReader, Stat
from .errors import StorageUnavailable
from .local_driver import LocalDriver


class ReadOnlyDriver(LocalDriver):
    """
    A read-only view of another driver: for a mount, or a user, without write access.

    :param driver: Where everything is read from.
    """

    def __init__(self, driver: LocalDriver) -> None:
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
        """Check that the object exists; no push can depend on it, so it needs no newer time."""
        self._driver.stat(path)

    def put(self, path: str, content: bytes) -> None:
        _refuse()

    def delete(self, path: str, *, durably: bool = True) -> None:
        _refuse()

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        _refuse()

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        return self._driver.objects(path)

    def prune(self, path: str) -> bool:
        _refuse()

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        _refuse()

    def sync(self) -> None:
        """Do nothing: nothing was swept."""

    def move(self, path: str, target: str) -> None:
        _refuse()

    def require(self) -> None:
        self._driver.require()

    def mark(self) -> None:
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
        _refuse()

    def open_upload(self, path: str) -> GrowingObject:
        _refuse()


def _refuse() -> NoReturn:
    raise StorageUnavailable("the store is read-only")
