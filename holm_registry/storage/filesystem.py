"""
The store in files: the volume of registry:2, as it stands.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from threading import Lock
from typing import TypeVar

from holm_registry.flock import Busy, close_removing, open_locked
from holm_registry.regular import open_regular, require_regular

from . import asides, layout
from .driver import MAX_SMALL_BYTES, Reader, Stat, Upload
from .durable import Folders, Writeback, missing_top, sync_down, sync_folder, write_all
from .errors import Locked, NotFound, StorageFull, StorageUnavailable, UploadBusy
from .listing import SETTLED_SECONDS, FolderListing
from .removal import NO_SPACE, Removal
from .volume import Volume

#: How often to make a folder that another process deletes at the same moment.
_ATTEMPTS = 5

T = TypeVar("T")

_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)

#: A folder is not empty, not there, or no folder that can be removed.
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn what the system says into what the driver promises of an object that should be there."""
    try:
        yield
    except OSError as problem:
        if problem.errno in _MISSING:
            raise NotFound(path) from problem
        raise _unavailable(problem) from problem


@contextmanager
def _making() -> Iterator[None]:
    """Turn what the system says into what the driver promises of an object that is to be made."""
    try:
        yield
    except OSError as problem:
        raise _unavailable(problem) from problem


def _unavailable(problem: OSError) -> StorageUnavailable:
    if problem.errno == errno.EXDEV:
        # What cannot be renamed into its place cannot come there whole.
        return StorageUnavailable("a part of this repository is on another file system")
    kind = StorageFull if problem.errno in NO_SPACE else StorageUnavailable
    return kind(problem.strerror or str(problem))


class Filesystem:
    """
    A driver that keeps each object in a file under one folder.

    :param root: The folder, registry:2's ``rootdirectory``.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._volume = Volume(root)
        self._folders = Folders()
        self._removal = Removal(self._full(layout.STAGING), self._folders)
        self._unsettled: set[str] = set()
        self._listing = FolderListing()
        self._taken: set[str] = set()
        self._lock = Lock()

    def require(self) -> None:
        """See :class:`.driver.Driver`."""
        self._volume.require()

    def mark(self) -> None:
        """See :class:`.driver.Driver`."""
        self._volume.mark()

    def is_emptied(self, path: str) -> bool:
        """See :class:`.driver.Driver`."""
        return self._volume.has_marked(path)

    def stat(self, path: str) -> Stat:
        """See :class:`.driver.Driver`."""
        with _translated(path):
            return _stat(self._found(os.stat, path))

    def read(self, path: str) -> bytes:
        """See :class:`.driver.Driver`."""
        with _translated(path), self._found(_open, path) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes > MAX_SMALL_BYTES:
                raise StorageUnavailable("an object is larger than it may be")
            # Asked for more than there is, Python makes room for that first.
            return file.read(size_bytes + 1)

    def open(self, path: str) -> Reader:
        """See :class:`.driver.Driver`."""
        with _translated(path):
            return FileReader(self._found(open_regular, path))

    def put(self, path: str, content: bytes) -> None:
        """See :class:`.driver.Driver`."""
        self._volume.require()
        with _making():
            aside = self._write_aside(content)
            try:
                self._move_into_place(aside, self._full(path))
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(aside)
                raise

    def refresh(self, path: str) -> None:
        """See :class:`.driver.Driver`."""
        with _translated(path):
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
        """See :class:`.driver.Driver`."""
        full = self._full(path)
        with _translated(path):
            self._found(os.unlink, path)
            asides.forget(full)
            if not durably:
                return
            with suppress(FileNotFoundError):
                sync_folder(os.path.dirname(full))

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        """See :class:`.driver.Driver`."""
        self._volume.require()
        with suppress(NotFound), _translated(path):
            self._removal.remove(self._full(path), durably=durably)

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        """See :class:`.driver.Driver`."""
        full = self._full(path)
        folder = os.path.dirname(full)
        self._volume.require()
        with _making():
            try:
                taken = asides.take(full)
            except (FileNotFoundError, NotADirectoryError):
                return self._remove_empty(folder)
            if any(self._is_needed(full, aside, spare) for aside in taken):
                asides.put_back(full)
                return False
            self._unsettled.add(folder)
            is_gone = asides.claim(full, taken)
            if is_gone:
                self._remove_empty(folder)
            return is_gone

    def settle(self) -> None:
        """See :class:`.driver.Driver`."""
        with _making():
            while self._unsettled:
                with suppress(FileNotFoundError):
                    sync_folder(self._unsettled.pop())

    def prune(self, path: str) -> bool:
        """See :class:`.driver.Driver`."""
        full = self._full(path)
        with _making():
            for folder, _, _ in os.walk(full, topdown=False):
                self._remove_empty(folder)
            return not os.path.isdir(full)

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        """See :class:`.driver.Driver`."""
        found = []
        self._volume.require()
        with _making():
            for folder, _, files in os.walk(self._full(path), onerror=_raise_unless_missing):
                for name in files:
                    if name.endswith(asides.SUFFIX) or name == layout.PART_MARK:
                        continue
                    # What is gone meanwhile, or no file, is no object.
                    with suppress(OSError):
                        stat = _stat(os.stat(f"{folder}/{name}"))
                        found.append((f"{folder}/{name}".removeprefix(f"{self._root}/"), stat))
        return found

    def move(self, path: str, target: str) -> None:
        """See :class:`.driver.Driver`."""
        self._volume.require()
        with _translated(path):
            self._folders.ensure(os.path.dirname(self._full(target)))
            os.rename(self._full(path), self._full(target))
            self._sync_around(self._full(target))
            self._sync_around(self._full(path))

    def seconds(self) -> float:
        """See :class:`.driver.Driver`."""
        full = self._full(f"{layout.MAINTENANCE}/clock")
        self._volume.require()
        with _making():
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
        """Tell the time of the store by a folder, for which there need be no room."""
        os.utime(folder)
        return os.stat(folder).st_mtime

    def free_bytes(self) -> int | None:
        """See :class:`.driver.Driver`."""
        with _making():
            found = os.statvfs(self._root)
        return found.f_bavail * found.f_frsize

    @contextmanager
    def lock(
        self, name: str, wait_seconds: float = 0.0, *, traceless: bool = False
    ) -> Iterator[None]:
        """See :class:`.driver.Driver`."""
        full = self._full(f"{layout.MAINTENANCE}/{name}.lock")
        self._volume.require()
        try:
            with _making():
                self._folders.ensure(os.path.dirname(full))
                file = open_locked(full, os.O_RDWR | os.O_CREAT, wait_seconds=wait_seconds)
        except Busy:
            raise Locked(name) from None
        except StorageFull:
            # As where a file system knows no locks: it keeps this process in order alone.
            yield
            return
        try:
            yield
        finally:
            if traceless:
                close_removing(full, file)
            else:
                os.close(file)

    def folders(self, path: str) -> Sequence[str]:
        """See :class:`.driver.Driver`."""
        self._volume.require_lately()
        try:
            with _translated(path):
                return self._listing.list(self._full(path))
        except NotFound:
            self._volume.require()
            if _is_behind_a_link(self._full(path)):
                raise StorageUnavailable("a symbolic link leads to no folder") from None
            return ()

    def create_upload(self, path: str, content: bytes = b"") -> None:
        """See :class:`.driver.Driver`."""
        full = self._full(path)
        folder = os.path.dirname(full)
        self._volume.require()
        with _making():
            for _ in range(_ATTEMPTS):
                # Where a collection removes the folder while it is still empty, make it again.
                with suppress(FileNotFoundError):
                    # The upload itself may be lost; the folders above it may hold what must not be.
                    self._folders.ensure(os.path.dirname(folder))
                    os.makedirs(folder, exist_ok=True)
                    _create(full, content)
                    return
            raise OSError(errno.EBUSY, "the folder is deleted again and again")

    def open_upload(self, path: str) -> Upload:
        """See :class:`.driver.Driver`."""
        with self._lock:
            if path in self._taken:
                raise UploadBusy(path)
            self._taken.add(path)
        try:
            with _translated(path):
                return FileUpload(self, path, open_locked(self._full(path)))
        except Busy:
            self._release(path)
            raise UploadBusy(path) from None
        except BaseException:
            self._release(path)
            raise

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
            if not asides.put_back(full):
                raise
        return do(full)

    def _is_needed(self, full: str, aside: str, spare: Callable[[Stat], bool]) -> bool:
        """Tell whether what is out of sight is to be put back."""
        try:
            return spare(_stat(os.stat(aside)))
        except FileNotFoundError:
            # Put back already.
            return True
        except BaseException:
            asides.put_back(full)
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

    def _sync_around(self, full: str) -> None:
        """Make the entry of a file durable, also if a sweep has just taken its folder."""
        for _ in range(_ATTEMPTS):
            try:
                sync_folder(os.path.dirname(full))
            except FileNotFoundError:
                # The sweep finds a young file in it, and lets it be; if there is none, whoever
                # has deleted the folder since has seen the file.
                if not asides.put_back(full) and not os.path.exists(full):
                    return
            else:
                return
        raise OSError(errno.EBUSY, "the folder cannot be synced")

    def _staging(self) -> str:
        """Give a path that nobody looks at."""
        return f"{self._full(layout.STAGING)}/{uuid.uuid4().hex}"

    def _write_aside(self, content: bytes) -> str:
        aside = self._staging()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        try:
            file = os.open(aside, flags, 0o666)
        except FileNotFoundError:
            self._folders.ensure(os.path.dirname(aside))
            file = os.open(aside, flags, 0o666)
        try:
            write_all(file, [content], 0)
            os.fsync(file)
        except BaseException:
            os.unlink(aside)
            raise
        finally:
            os.close(file)
        return aside

    def _move_into_place(self, source: str, target: str, *, with_folders: bool = True) -> None:
        """
        Make a file the one at its path, durably.

        :param with_folders: Where its folder is missing, make that aside too, and have it come into
            place with the file in it: nobody, after whatever crash, finds the one without the
            other.
        """
        folder = os.path.dirname(target)
        for _ in range(_ATTEMPTS):
            is_new = with_folders and not os.path.isdir(folder)
            if is_new and self._move_with_folders(source, target):
                return None
            try:
                self._folders.ensure(folder)
                os.rename(source, target)
            except FileNotFoundError:
                # Another process has just deleted the folder; unless it is the file that is gone.
                os.stat(source)
            else:
                return self._sync_around(target)
        raise OSError(errno.EBUSY, "the folder is deleted again and again")

    def _move_upload(self, source: str, target: str) -> None:
        """Move bytes in one step: after whatever crash they are at one of the two places."""
        self._move_into_place(self._full(source), self._full(target), with_folders=False)

    def _move_with_folders(self, source: str, target: str) -> bool:
        """Move a file with its missing folders; False if somebody else was just making them."""
        top = missing_top(target)
        aside = self._staging()
        inner = f"{aside}{os.path.dirname(target)[len(top) :]}"
        try:
            os.makedirs(inner)
            os.rename(source, f"{inner}/{os.path.basename(target)}")
        except OSError:
            # On a full disk each attempt would leave some more.
            shutil.rmtree(aside, ignore_errors=True)
            raise
        sync_down(aside, inner)
        try:
            self._folders.adopt(aside, top)
        except OSError as problem:
            os.rename(f"{inner}/{os.path.basename(target)}", source)
            shutil.rmtree(aside)
            if problem.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.ENOENT):
                raise
            return False
        return True


def _is_behind_a_link(full: str) -> bool:
    """Tell whether a path that leads nowhere does so for a symbolic link in it."""
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
    if problem.errno not in _MISSING:
        raise problem


class FileReader:
    """An open file."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._closed = False
        self.size_bytes = os.fstat(file).st_size

    def read(self, offset: int, length: int) -> bytes:
        """See :class:`.driver.Reader`."""
        with _translated("open file"):
            return os.pread(self._file, length, offset)

    def fileno(self) -> int | None:
        """See :class:`.driver.Reader`."""
        return self._file

    def close(self) -> None:
        """See :class:`.driver.Reader`."""
        if not self._closed:
            self._closed = True
            os.close(self._file)

    def __del__(self) -> None:
        # A request cancelled between the opening thread and its answer leaves nobody to close.
        self.close()


class FileUpload:
    """An upload's file, locked for this process and, where the file system can, for all."""

    def __init__(self, store: Filesystem, path: str, file: int) -> None:
        self._store = store
        self._path = path
        self._file = file
        self.size_bytes = os.fstat(file).st_size
        self._writeback = Writeback(file, self.size_bytes)

    def append(self, buffers: Sequence[bytes]) -> None:
        """See :class:`.driver.Upload`."""
        with _translated(self._path):
            try:
                self.size_bytes += write_all(self._file, buffers, self.size_bytes)
            except OSError:
                os.ftruncate(self._file, self.size_bytes)
                raise
        self._writeback.grown_to(self.size_bytes)

    def read(self, offset: int, length: int) -> bytes:
        """See :class:`.driver.Upload`."""
        with _translated(self._path):
            return os.pread(self._file, length, offset)

    def promote(self, path: str) -> None:
        """See :class:`.driver.Upload`."""
        self._store._volume.require()  # noqa: SLF001 - one driver, two classes
        with _translated(self._path):
            os.utime(self._file)
            os.fsync(self._file)
            self._store._move_upload(self._path, path)  # noqa: SLF001 - one driver, two classes

    def close(self) -> None:
        """See :class:`.driver.Upload`."""
        os.close(self._file)
        self._store._release(self._path)  # noqa: SLF001 - one driver, two classes
