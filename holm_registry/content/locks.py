from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from zlib import crc32

from holm_registry.oci.errors import TooManyRequests
from holm_registry.storage.errors import AlreadyLocked, StorageUnavailable
from holm_registry.storage.local_driver import LockProvider

_STRIPES = 64

#: Of those in files, of which only those that are held are there.
_FILE_STRIPES = 1024

#: How long to wait for another server of the volume, which has a lock for some writes to the disk.
_WAIT_SECONDS = 10.0


class StripedLocks:
    """
    One lock for each name, from a fixed number of them.

    Two names may share a lock, so a thread must never hold one of a set and ask for another; who
    needs several asks for them at once.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(_STRIPES))

    @contextmanager
    def hold_all(self, names: Iterable[Hashable]) -> Iterator[None]:
        """Keep others who hold any of several names out; all who hold several take turns so."""
        with ExitStack() as stack:
            for stripe in sorted({hash(name) % _STRIPES for name in names}):
                stack.enter_context(self._locks[stripe])
            yield

    @contextmanager
    def hold(self, *name: Hashable) -> Iterator[None]:
        """Keep others who hold the same name out."""
        with self._locks[hash(name) % _STRIPES]:
            yield


class NamedLocks:
    """
    One lock for each name, for as long as a thread has it or waits for it.

    Unlike with :class:`StripedLocks`, those who hold different names never wait for one another.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._locks: dict[Hashable, tuple[Lock, int]] = {}

    @contextmanager
    def hold(self, *name: Hashable) -> Iterator[None]:
        """Keep others who hold the same name out."""
        with self._guard:
            lock, wanted = self._locks.get(name, (Lock(), 0))
            self._locks[name] = lock, wanted + 1
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, wanted = self._locks.pop(name)
                if wanted > 1:
                    self._locks[name] = lock, wanted - 1


@contextmanager
def alone(driver: LockProvider, what: str, names: Iterable[str]) -> Iterator[None]:
    """
    Keep all others out who hold one of the same names, also in other servers of the volume.

    Names share a fixed number of locks. Where no lock file can be made, as on a full disk, and
    where the file system has no locks, other servers are not kept out: deleting must go on.

    :param what: What kind of thing they are, part of the locks' names.
    :raises TooManyRequests: Another server stays in.
    """
    stripes = sorted({crc32(name.encode()) % _FILE_STRIPES for name in names})
    with ExitStack() as stack:
        try:
            for stripe in stripes:
                stack.enter_context(driver.lock(f"{what}-{stripe}", _WAIT_SECONDS, traceless=True))
        except AlreadyLocked:
            raise TooManyRequests(
                f"another server is changing the same {what}", headers={"Retry-After": "1"}
            ) from None
        except StorageUnavailable:
            pass
        yield
