"""
Locks on files: between threads, and between processes of one volume.

A lock belongs to an open file, and not to its path. Between opening and locking another process may
have renamed or removed the file, or put another one in its place: a lock on the old file keeps
nobody out. So a file counts as locked only if its path still names it once the lock is held. Who
renames or removes a file that others lock must hold its lock while doing so.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from .regular_file import require_regular

#: How often to open a file that another process replaces again and again.
_ATTEMPTS = 100

#: How often to try a lock that is waited for, in seconds.
_RETRY_SECONDS = 0.005

#: What file systems without locks say: some NFS mounts.
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Busy(Exception):
    """Another holder has the lock."""


def open_locked(
    path: str, flags: int = os.O_RDWR, mode: int = 0o666, *, wait_seconds: float = 0.0
) -> int:
    """
    Open a file and lock it exclusively; closing it ends the lock, and so does the process's end.

    Where the file system has no locks the file is opened without one.

    :param flags: As of ``os.open``: with ``O_CREAT`` the file is made if it is missing.
    :param wait_seconds: How long to wait for another holder.
    :return: The file's descriptor.
    :raises Busy: Another holder has it, and had it for as long.
    :raises OSError: It cannot be opened; FileNotFoundError if it is missing.
    """
    give_up = time.monotonic() + wait_seconds
    while True:
        try:
            return _open_locked(path, flags, mode)
        except Busy:
            if time.monotonic() >= give_up:
                raise
        time.sleep(_RETRY_SECONDS)


def close_removing(path: str, file: int) -> None:
    """End a lock, and remove its file: those who wait for it make a new one."""
    try:
        if _is_at(path, file):
            os.unlink(path)
    except OSError:
        # Whatever stays behind is an empty file that nobody holds.
        pass
    finally:
        os.close(file)


def _open_locked(path: str, flags: int, mode: int) -> int:
    for _ in range(_ATTEMPTS):
        file = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, mode)
        try:
            require_regular(os.fstat(file))
            _lock(file)
            if _is_at(path, file):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    raise Busy(path)


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy from None
    except OSError as problem:
        if problem.errno not in _UNSUPPORTED:
            raise


def _is_at(path: str, file: int) -> bool:
    """Tell whether a path names an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False
