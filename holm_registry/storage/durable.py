"""
Steps that survive a power cut: files written aside, synced and renamed; folders synced.

A rename or a new folder is safe only once the folder that holds it was synced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock

_STRIPES = 64

#: How much of a growing file to gather before the disk is put to work on it, in bytes.
_WRITEBACK_BYTES = 8 * 1024 * 1024

#: As many buffers as one ``writev`` takes (IOV_MAX on Linux).
_MAX_BUFFERS = 1024


def sync_folder(path: str) -> None:
    """Make a folder's entries durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class DirectoryMaker:
    """
    Makes folders durably.

    A thread that finds a folder that another one is just making waits until it is synced,
    so that no file is acknowledged in a folder that a power cut would lose.
    """

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(_STRIPES))

    def ensure(self, path: str) -> None:
        """Make a folder and all above it that are missing."""
        if os.path.isdir(path):
            self._settle(path)
            return
        parent = os.path.dirname(path)
        self.ensure(parent)
        with self._lock(path):
            try:
                os.mkdir(path)
            except FileExistsError:
                if os.path.isdir(path):
                    return
                if os.path.lexists(path):
                    raise
                raise FileNotFoundError(errno.ENOENT, "the folder was just removed", path) from None
            else:
                sync_folder(parent)

    def adopt(self, source: str, path: str) -> None:
        """
        Move a folder that is durable in itself to a path where there is none.

        :raises OSError: There is one, and it is not empty.
        """
        with self._lock(path):
            os.rename(source, path)
            # The folder above may be gone again by now, and all in it: that is no failure of ours.
            with suppress(FileNotFoundError):
                sync_folder(os.path.dirname(path))

    def _settle(self, path: str) -> None:
        """Wait for those who are just making a folder, or one above it."""
        while len(path) > 1:
            with self._lock(path):
                path = os.path.dirname(path)

    def _lock(self, path: str) -> Lock:
        return self._locks[hash(path) % _STRIPES]


class Writeback:
    """
    Has the system write a growing file to the disk while it grows.

    Left alone, it begins with the fsync at the end: the network waits for the disk then, and the
    disk for the network before. Linux begins at once when it is told that what was written will not
    be needed soon; what is still to be written stays in memory all the same.

    :param size_bytes: How much the file holds already.
    """

    def __init__(self, file: int, size_bytes: int) -> None:
        self._file = file
        self._told_bytes = size_bytes

    def grown_to(self, size_bytes: int) -> None:
        """Note how large the file is now."""
        length = size_bytes - self._told_bytes
        if length >= _WRITEBACK_BYTES and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, self._told_bytes, length, os.POSIX_FADV_DONTNEED)
            self._told_bytes = size_bytes


def missing_top(path: str) -> str:
    """Return the uppermost folder above a path that does not exist."""
    folder = os.path.dirname(path)
    while not os.path.isdir(os.path.dirname(folder)):
        folder = os.path.dirname(folder)
    return folder


def sync_down(top: str, bottom: str) -> None:
    """Make the entries of a folder, and of each below it on the way to another, durable."""
    sync_folder(bottom)
    while bottom != top:
        bottom = os.path.dirname(bottom)
        sync_folder(bottom)


def write_all(descriptor: int, buffers: Sequence[bytes], offset: int) -> int:
    """
    Write buffers one behind the other, beginning at an offset of a file.

    :return: How many bytes that was.
    :raises OSError: Not everything could be written; the file may hold part of it.
    """
    views = [memoryview(buffer) for buffer in buffers if buffer]
    written = 0
    while views:
        step = os.pwritev(descriptor, views[:_MAX_BUFFERS], offset + written)
        written += step
        views = _behind(views, step)
    return written


def _behind(views: list[memoryview], count: int) -> list[memoryview]:
    for index, view in enumerate(views):
        if count < len(view):
            return [view[count:], *views[index + 1 :]]
        count -= len(view)
    return []
