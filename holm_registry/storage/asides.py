"""
Folders that a sweep has taken out of sight, and the way back.

A folder on trial lies under ``_aside`` at the path it came from. There, every step is one rename,
so that of two who want it at the same moment, one to remove it and one to have it back, exactly one
succeeds. Whoever asks for something in it puts it back; so does whoever finds it after a crash.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from . import layout
from .durable import sync_folder

#: A folder is back already, with something in it; or something else is in its way.
_OCCUPIED = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


class Asides:
    """
    The folders on trial of one store.

    :param root: The folder of the store.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._asides = f"{root}/{layout.ASIDE}"

    def take(self, folder: str) -> str:
        """
        Take a folder out of sight.

        :return: Where it is now.
        :raises FileNotFoundError: There is none.
        """
        aside = self._of(folder)
        os.makedirs(os.path.dirname(aside), exist_ok=True)
        os.rename(folder, aside)
        return aside

    def put_back(self, path: str) -> bool:
        """
        Put back what lies aside of a file or folder, or of one of the folders it is in.

        :return: Whether something was; else there was nothing, or somebody else had it first.
        """
        if not os.path.isdir(self._asides):
            return False
        while len(path) > len(self._root):
            if self._rename_back(path):
                return True
            path = os.path.dirname(path)
        return False

    def put_all_back(self) -> int:
        """Put back whatever lies aside, and tell how many files that were."""
        count = 0
        for folder, _, files in os.walk(self._asides, topdown=False):
            place = self._root + folder.removeprefix(self._asides)
            if files and self._rename_back(place):
                count += len(files)
            elif files and _holds_files(place):
                # It was written anew meanwhile: this is an older copy.
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                # Only the way to something; unless a collection has just put something here.
                os.rmdir(folder)
        return count

    def _of(self, folder: str) -> str:
        return self._asides + folder.removeprefix(self._root)

    def _rename_back(self, folder: str) -> bool:
        aside = self._of(folder)
        while _holds_files(aside):
            try:
                os.makedirs(os.path.dirname(folder), exist_ok=True)
                os.rename(aside, folder)
            except FileNotFoundError:
                # Somebody else had it first; or its folder was empty, and was just removed.
                continue
            except OSError as problem:
                if problem.errno not in _OCCUPIED:
                    raise
                # It was written anew meanwhile: what lies aside is an older copy of the same.
                return False
            with suppress(FileNotFoundError):
                sync_folder(os.path.dirname(folder))
            return True
        return False


def _holds_files(folder: str) -> bool:
    """Tell whether a folder is one on trial, rather than on the way to one."""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.is_dir() for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False
