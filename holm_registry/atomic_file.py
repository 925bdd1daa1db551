"""
Write small files atomically: a reader, or a crash, sees the old content or the new, never a part.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress


def replace_file(path: str, content: bytes, mode: int) -> None:
    """
    Write a file durably, replacing an existing one.

    :param mode: The permissions of the file, independent of the umask.
    :raises OSError: It cannot be written; an existing file is unchanged then.
    """
    temporary = _write_temporary(path, content, mode, None)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_entry(path)


def create_file(path: str, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """
    Write a new file durably. Of several processes that create the same file, exactly one succeeds.

    :param mode: The permissions of the file, independent of the umask.
    :param owner: The user and group that the file belongs to; None for those of the process.
    :raises FileExistsError: The file exists.
    :raises OSError: It cannot be written, or the file system has no hard links.
    """
    temporary = _write_temporary(path, content, mode, owner)
    try:
        # Unlike a rename, a link never replaces an existing file.
        os.link(temporary, path)
        sync_entry(path)
    finally:
        os.unlink(temporary)


def _write_temporary(path: str, content: bytes, mode: int, owner: tuple[int, int] | None) -> str:
    temporary = f"{os.path.dirname(os.path.abspath(path))}/.{uuid.uuid4().hex}"
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write_all(file, content)
        if owner is not None:
            os.fchown(file, *owner)
        os.fchmod(file, mode)
        os.fsync(file)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    finally:
        os.close(file)
    return temporary


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def sync_entry(path: str) -> None:
    """Make the entry of a file in its directory durable."""
    directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
