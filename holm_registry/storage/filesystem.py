"""
The store in files: the volume of registry:2, as it stands.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from threading import Lock
from typing import TypeVar

from holm_registry.file_lock import Busy, open_locked, remove_and_unlock
from holm_registry.regular_file import open_regular, require_regular

from . import layout, quarantine
from .directory_listing import SETTLED_SECONDS, DirectoryListing
from .directory_removal import NO_SPACE, DirectoryRemoval
from .driver import MAX_SMALL_BYTES, GrowingObject, ObjectReader, Stat
from .durable import DirectoryMaker, sync_folder, write_all
from .errors import AlreadyLocked, NotFound, StorageFull, StorageUnavailable, UploadBusy
from .local_driver import LocalDriver
from .open_files import FileReader, FileUpload
from .os_errors import MISSING, making, translated
from .placement import ATTEMPTS, Placement
from .volume import Volume

T = TypeVar("T")

#: A folder is not empty, not there, or no folder that can be removed.
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY)


class FilesystemDriver(LocalDriver):
    """
    A driver that keeps each object in a file under one folder.

    :param root: The folder, registry:2's ``rootdirectory``.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._volume = Volume(root)
        self._folders = DirectoryMaker()
        self._placement = Placement(self._full(layout.STAGING), self._folders)
        self._removal = DirectoryRemoval(self._full(layout.STAGING), self._folders)
        self._unsettled: set[str] = set()
        self._listing = DirectoryListing()
        self._taken: set[str] = set()
        self._lock = Lock()

    def require(self) -> None:
        self._volume.require()

    def mark(self) -> None:
        self._volume.mark()

    def is_emptied(self, path: str) -> bool:
        return self._volume.has_marked(path)

    def stat(self, path: str) -> Stat:
        with translated(path):
            return _stat(self._found(os.stat, path))

    def read(self, path: str) -> bytes:
        with translated(path), self._found(_open, path) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > MAX_SMALL_BYTES:
                raise StorageUnavailable("an object is larger than it may be")
            # Asked for more than there is, Python makes room for that first.
            return file.read(size_bytes + 1)

    def open(self, path: str) -> ObjectReader:
        with translated(path):
            return FileReader(self._found(open_regular, path))

    def put(self, path: str, content: bytes) -> None:
        self._volume.require()
        with making():
            self._placement.put(content, self._full(path))

    def refresh(self, path: str) -> None:
        with translated(path):
            try:
                self._found(os.utime, path)
            except OSError as problem:
                # On a read-only mount nothing can be swept either: existing is enough.
                if problem.errno != errno.EROFS:
                    raise
            # A sweep may have taken the file between its path and its time: only what is still
            # there afterwards was refreshed in time.
            self._found(os.stat, path)

    def delete(self, path: str, *, durably: bool = True) -> None:
        full = self._full(path)
        with translated(path):
            self._found(os.unlink, path)
            quarantine.discard(full)
            if not durably:
                return
            with suppress(FileNotFoundError):
                sync_folder(os.path.dirname(full))

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        self._volume.require()
        with suppress(NotFound), translated(path):
            self._removal.remove(self._full(path), durably=durably)

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        full = self._full(path)
        folder = os.path.dirname(full)
        self._volume.require()
        with making():
            try:
                taken = quarantine.add(full)
            except (FileNotFoundError, NotADirectoryError):
                return self._remove_empty(folder)
            if any(self._is_needed(full, aside, spare) for aside in taken):
                quarantine.restore(full)
                return False
            self._unsettled.add(folder)
            is_gone = quarantine.remove(full, taken)
            if is_gone:
                self._remove_empty(folder)
            return is_gone

    def sync(self) -> None:
        with making():
            while self._unsettled:
                with suppress(FileNotFoundError):
                    sync_folder(self._unsettled.pop())

    def prune(self, path: str) -> bool:
        full = self._full(path)
        with making():
            for folder, _, _ in os.walk(full, topdown=False):
                self._remove_empty(folder)
            return not os.path.isdir(full)

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        found = []
        self._volume.require()
        with making():
            for folder, _, files in os.walk(self._full(path), onerror=_raise_unless_missing):
                for name in files:
                    if name.endswith(quarantine.SUFFIX) or name == layout.PART_MARK:
                        continue
                    # What is gone meanwhile, or no file, is no object.
                    with suppress(OSError):
                        stat = _stat(os.stat(f"{folder}/{name}"))
                        found.append((f"{folder}/{name}".removeprefix(f"{self._root}/"), stat))
        return found

    def move(self, path: str, target: str) -> None:
        self._volume.require()
        with translated(path):
            self._folders.ensure(os.path.dirname(self._full(target)))
            os.rename(self._full(path), self._full(target))
            self._placement.sync_around(self._full(target))
            self._placement.sync_around(self._full(path))

    def seconds(self) -> float:
        full = self._full(f"{layout.MAINTENANCE}/clock")
        self._volume.require()
        with making():
            try:
                self._folders.ensure(os.path.dirname(full))
                with open(full, "wb", buffering=0) as file:
                    file.write(b"\0")
                    return os.fstat(file.fileno()).st_mtime
            except OSError as problem:
                if problem.errno in NO_SPACE:
                    return self._seconds_of(self._full(layout.ROOT))
                # Who may only read can be told what would be removed all the same.
                if problem.errno not in (errno.EROFS, errno.EACCES):
                    raise
                return time.time()

    def _seconds_of(self, folder: str) -> float:
        """Return the time of the store by a folder, for which there need be no room."""
        os.utime(folder)
        return os.stat(folder).st_mtime

    def free_bytes(self) -> int | None:
        with making():
            found = os.statvfs(self._root)
        return found.f_bavail * found.f_frsize

    @contextmanager
    def lock(
        self, name: str, wait_seconds: float = 0.0, *, traceless: bool = False
    ) -> Iterator[None]:
        full = self._full(f"{layout.MAINTENANCE}/{name}.lock")
        self._volume.require()
        try:
            with making():
                self._folders.ensure(os.path.dirname(full))
                file = open_locked(full, os.O_RDWR | os.O_CREAT, wait_seconds=wait_seconds)
        except Busy:
            raise AlreadyLocked(name) from None
        except StorageFull:
            # As where a file system knows no locks: it keeps this process in order alone.
            yield
            return
        try:
            yield
        finally:
            if traceless:
                remove_and_unlock(full, file)
            else:
                os.close(file)

    def folders(self, path: str) -> Sequence[str]:
        self._volume.require_lately()
        try:
            with translated(path):
                return self._listing.list(self._full(path))
        except NotFound:
            self._volume.require()
            if _is_behind_a_link(self._full(path)):
                raise StorageUnavailable("a symbolic link does not lead to a directory") from None
            return ()

    def create_upload(self, path: str, content: bytes = b"") -> None:
        full = self._full(path)
        folder = os.path.dirname(full)
        self._volume.require()
        with making():
            for _ in range(ATTEMPTS):
                # Where a collection removes the folder while it is still empty, make it again.
                with suppress(FileNotFoundError):
                    # The upload itself may be lost; the folders above it may hold what must not be.
                    self._folders.ensure(os.path.dirname(folder))
                    os.makedirs(folder, exist_ok=True)
                    _create(full, content)
                    return
            raise OSError(errno.EBUSY, "the folder is deleted again and again")

    def open_upload(self, path: str) -> GrowingObject:
        with self._lock:
            if path in self._taken:
                raise UploadBusy(path)
            self._taken.add(path)
        try:
            with translated(path):
                return FileUpload(path, open_locked(self._full(path)), self._promote, self._release)
        except Busy:
            self._release(path)
            raise UploadBusy(path) from None
        except BaseException:
            self._release(path)
            raise

    def _promote(self, source: str, target: str) -> None:
        """Move bytes in one step: after whatever crash they are at one of the two places."""
        self._volume.require()
        self._placement.move(self._full(source), self._full(target), with_folders=False)

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _release(self, path: str) -> None:
        with self._lock:
            self._taken.discard(path)

    def _found(self, do: Callable[[str], T], path: str) -> T:
        """Do something with what should lie at a path, also if a sweep has it out of sight."""
        full = self._full(path)
        self._volume.require_lately()
        try:
            return do(full)
        except (FileNotFoundError, NotADirectoryError):
            # Nothing is in a folder where no volume is mounted, but all of that is not missing.
            self._volume.require()
            if not quarantine.restore(full):
                raise
        return do(full)

    def _is_needed(self, full: str, aside: str, spare: Callable[[Stat], bool]) -> bool:
        """Return whether what is out of sight is to be put back."""
        try:
            return spare(_stat(os.stat(aside)))
        except FileNotFoundError:
            # Put back already.
            return True
        except BaseException:
            quarantine.restore(full)
            raise

    def _remove_empty(self, folder: str) -> bool:
        """Remove a folder if nothing is in it: what we do not know stays, and its folder."""
        try:
            os.rmdir(folder)
        except OSError as problem:
            if problem.errno not in _OCCUPIED:
                raise
            return False
        self._unsettled.add(os.path.dirname(folder))
        return True


def _is_behind_a_link(full: str) -> bool:
    """Return whether a path that leads nowhere does so for a symbolic link in it."""
    while not os.path.lexists(full):
        full = os.path.dirname(full)
    return os.path.islink(full) and not os.path.exists(full)


def _create(full: str, content: bytes) -> None:
    """Make a file, unless there is one; where there is no room, leave nothing."""
    try:
        with open(full, "xb", buffering=0) as file:
            write_all(file.fileno(), [content], 0)
    except FileExistsError:
        return
    except OSError as problem:
        if problem.errno in NO_SPACE:
            with suppress(OSError):
                os.unlink(full)
            with suppress(OSError):
                os.rmdir(os.path.dirname(full))
        raise


def _open(full: str) -> FileIO:
    return FileIO(open_regular(full), "rb")


def _stat(stat: os.stat_result) -> Stat:
    require_regular(stat)
    version = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size)
    settled = time.time() - stat.st_mtime > SETTLED_SECONDS
    return Stat(stat.st_size, stat.st_mtime, version if settled else None)


def _raise_unless_missing(problem: OSError) -> None:
    if problem.errno not in MISSING:
        raise problem
