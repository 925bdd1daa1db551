"""
Bringing files into their places in one step, durably.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from contextlib import suppress

from . import quarantine
from .durable import DirectoryMaker, missing_top, sync_down, sync_folder, write_all

#: How often to make a folder that another process deletes at the same moment.
ATTEMPTS = 5


class Placement:
    """
    Brings files into their places.

    :param staging: A folder for files on their way; it need not exist.
    """

    def __init__(self, staging: str, folders: DirectoryMaker) -> None:
        self._staging = staging
        self._folders = folders

    def put(self, content: bytes, target: str) -> None:
        """Write a file at a path, in place of one that is there."""
        aside = self._write(content)
        try:
            self.move(aside, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(aside)
            raise

    def _write(self, content: bytes) -> str:
        aside = self._aside()
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

    def move(self, source: str, target: str, *, with_folders: bool = True) -> None:
        """
        Make a file the one at its path, durably.

        :param with_folders: Where its folder is missing, make that aside too, and have it come into
            place with the file in it: after no crash can the one be found without the
            other.
        """
        folder = os.path.dirname(target)
        for _ in range(ATTEMPTS):
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
                return self.sync_around(target)
        raise OSError(errno.EBUSY, "the folder is deleted again and again")

    def _move_with_folders(self, source: str, target: str) -> bool:
        """Move a file with its missing folders; False if another process was just making them."""
        top = missing_top(target)
        aside = self._aside()
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

    def sync_around(self, full: str) -> None:
        """Make the entry of a file durable, also if a sweep has just taken its folder."""
        for _ in range(ATTEMPTS):
            try:
                sync_folder(os.path.dirname(full))
            except FileNotFoundError:
                # The sweep finds a young file in it, and lets it be; if there is none, whoever
                # has deleted the folder since has seen the file.
                if not quarantine.restore(full) and not os.path.exists(full):
                    return
            else:
                return
        raise OSError(errno.EBUSY, "the folder cannot be synced")

    def _aside(self) -> str:
        """Return a path that is never listed."""
        return f"{self._staging}/{uuid.uuid4().hex}"
