"""
Exclusive file locks (``flock``), between threads and between processes that share a volume.

A lock belongs to an open file, not to its path. Between opening and locking, another process may
rename, remove or replace the file; a lock on the old file then excludes no other process. So a
file counts as locked only if its path still names it after the lock was taken. Code that renames
or removes such a file must hold its lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from .regular_file import require_regular

#: How often to try again with a file that another process has just replaced.
_ATTEMPTS = 100

#: The time between two attempts to take a lock, in seconds.
_RETRY_SECONDS = 0.005

#: The errors of file systems without locks, such as some NFS mounts.
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Busy(Exception):
    """Another process, or another open file of this one, holds the lock."""


def open_locked(
    path: str, flags: int = os.O_RDWR, mode: int = 0o666, *, wait_seconds: float = 0.0
) -> int:
    """
    Open a file and lock it exclusively.

    Closing the descriptor releases the lock; so does the end of the process. Where the file system
    has no locks, the file is opened without one.

    :param flags: Those of ``os.open``; with ``O_CREAT`` a missing file is created.
    :param wait_seconds: How long to wait for the lock.
    :return: The file descriptor.
    :raises Busy: The lock was held for all of ``wait_seconds``.
    :raises OSError: The file cannot be opened; FileNotFoundError if it is missing.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return _open_locked(path, flags, mode)
        except Busy:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def remove_and_unlock(path: str, descriptor: int) -> None:
    """Remove a locked file and release its lock; a process that waits for it creates a new file."""
    try:
        if _is_same_file(path, descriptor):
            os.unlink(path)
    except OSError:
        # At worst, an empty file without a lock remains.
        pass
    finally:
        os.close(descriptor)


def _open_locked(path: str, flags: int, mode: int) -> int:
    for _ in range(_ATTEMPTS):
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, mode)
        try:
            require_regular(os.fstat(descriptor))
            _lock(descriptor)
            if _is_same_file(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise Busy(path)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy from None
    except OSError as problem:
        if problem.errno not in _UNSUPPORTED:
            raise


def _is_same_file(path: str, descriptor: int) -> bool:
    """Whether a path still names an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
