"""
The store in memory: ``storage: inmemory``, and the one most tests run on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, RLock

from attrs import define

from .driver import MAX_SMALL_BYTES, GrowingObject, ObjectReader, Stat
from .errors import AlreadyLocked, NotFound, StorageUnavailable, UploadBusy
from .local_driver import LocalDriver


@define
class _Object:
    content: bytes | bytearray
    modified: float
    version: int
    taken: bool = False


class MemoryDriver(LocalDriver):
    """
    A driver that forgets everything when the process ends.

    :param seconds: Tells the time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float] = time.time) -> None:
        self._seconds = seconds
        self._objects: dict[str, _Object] = {}
        self._asides: dict[str, _Object] = {}
        self._locked: set[str] = set()
        self._versions = itertools.count()
        self._lock = RLock()
        self._unlocked = Condition()

    def stat(self, path: str) -> Stat:
        with self._lock:
            found = self._find(path)
            return Stat(len(found.content), found.modified, found.version)

    def read(self, path: str) -> bytes:
        with self._lock:
            content = self._find(path).content
            if len(content) > MAX_SMALL_BYTES:
                raise StorageUnavailable("an object is larger than it may be")
            return bytes(content)

    def open(self, path: str) -> ObjectReader:
        with self._lock:
            return MemoryReader(bytes(self._find(path).content))

    def put(self, path: str, content: bytes) -> None:
        with self._lock:
            self._objects[path] = _Object(content, self._seconds(), next(self._versions))

    def refresh(self, path: str) -> None:
        with self._lock:
            self._find(path).modified = self._seconds()

    def delete(self, path: str, *, durably: bool = True) -> None:
        with self._lock:
            self._find(path)
            del self._objects[path]

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        with self._lock:
            for objects in (self._objects, self._asides):
                for name in [name for name in objects if name.startswith(f"{path}/")]:
                    del objects[name]

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        with self._lock:
            if path not in self._objects:
                return False
            found = self._asides[path] = self._objects.pop(path)
        spared = True
        try:
            spared = spare(Stat(len(found.content), found.modified, found.version))
        finally:
            with self._lock:
                kept = self._asides.pop(path, None) is None
                if spared and not kept:
                    self._objects.setdefault(path, found)
        return not spared and not kept

    def sync(self) -> None:
        pass

    def prune(self, path: str) -> bool:
        with self._lock:
            return not any(name.startswith(f"{path}/") for name in self._objects)

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        with self._lock:
            return [
                (name, self.stat(name))
                for name in sorted(self._objects)
                if name.startswith(f"{path}/")
            ]

    def move(self, path: str, target: str) -> None:
        with self._lock:
            self._find(path)
            self._objects[target] = self._objects.pop(path)

    def require(self) -> None:
        pass

    def mark(self) -> None:
        pass

    def is_emptied(self, path: str) -> bool:
        return True

    def seconds(self) -> float:
        return self._seconds()

    def free_bytes(self) -> int | None:
        return None

    @contextmanager
    def lock(
        self, name: str, wait_seconds: float = 0.0, *, traceless: bool = False
    ) -> Iterator[None]:
        with self._unlocked:
            if not self._unlocked.wait_for(lambda: name not in self._locked, wait_seconds):
                raise AlreadyLocked(name)
            self._locked.add(name)
        try:
            yield
        finally:
            with self._unlocked:
                self._locked.discard(name)
                self._unlocked.notify_all()

    def folders(self, path: str) -> Sequence[str]:
        prefix = f"{path}/"
        with self._lock:
            below = [name[len(prefix) :] for name in self._objects if name.startswith(prefix)]
        return sorted({name.partition("/")[0] for name in below if "/" in name})

    def create_upload(self, path: str, content: bytes = b"") -> None:
        with self._lock:
            if path not in self._objects:
                self.put(path, content)

    def open_upload(self, path: str) -> GrowingObject:
        with self._lock:
            found = self._find(path)
            if found.taken:
                raise UploadBusy(path)
            found.taken = True
            return MemoryUpload(self, path, found)

    def rename(self, source: str, target: str) -> None:
        """Move an object, with a new modification time, in place of any other."""
        with self._lock:
            self.put(target, bytes(self._objects.pop(source).content))

    def _find(self, path: str) -> _Object:
        if path in self._asides and path not in self._objects:
            self._objects[path] = self._asides.pop(path)
        try:
            return self._objects[path]
        except KeyError:
            raise NotFound(path) from None


class MemoryReader:
    """Implements :class:`.driver.ObjectReader` on bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size_bytes = len(content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        pass


class MemoryUpload:
    """Implements :class:`.driver.GrowingObject` on bytes."""

    def __init__(self, store: MemoryDriver, path: str, found: _Object) -> None:
        self._store = store
        self._path = path
        self._found = found
        self._content = found.content = bytearray(found.content)

    @property
    def size_bytes(self) -> int:
        return len(self._content)

    def append(self, buffers: Sequence[bytes]) -> None:
        for buffer in buffers:
            self._content += buffer

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._content[offset : offset + length])

    def promote(self, path: str) -> None:
        self._store.rename(self._path, path)

    def close(self) -> None:
        self._found.taken = False
