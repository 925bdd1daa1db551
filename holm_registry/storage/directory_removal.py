from __future__ import annotations

import errno
import os
import shutil
import uuid
from contextlib import suppress

from .durable import DirectoryMaker, sync_folder

#: How often to try to remove a folder that another process removes at the same moment.
_ATTEMPTS = 5

#: Nothing more fits, or not for this user.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class DirectoryRemoval:
    """
    Removes folders: at once where it can, so that no crash leaves half of one in sight.

    A folder is renamed away before it is emptied. Where nothing can be made or renamed, because the
    disk is full or the folder lies on another one, it goes piece by piece: removing needs no space.

    :param staging: Where to: a folder that is never listed.
    """

    def __init__(self, staging: str, folders: DirectoryMaker) -> None:
        self._staging = staging
        self._folders = folders

    def remove(self, full: str, *, durably: bool) -> None:
        """
        Remove a folder with all that is in it.

        :param durably: Wait until a power cut cannot bring it back.
        :raises FileNotFoundError: There is none.
        """
        parent = os.path.dirname(full)
        try:
            away = self._rename_away(full)
        except OSError as problem:
            if problem.errno not in (*NO_SPACE, errno.EXDEV):
                raise
            _remove_tree(full)
            away = None
        if durably:
            with suppress(FileNotFoundError):
                sync_folder(parent)
        if away is not None:
            # It is gone. What cannot be removed of it now, a later collection removes.
            with suppress(OSError):
                _remove_tree(away)

    def _rename_away(self, full: str) -> str:
        away = f"{self._staging}/{uuid.uuid4().hex}"
        try:
            os.rename(full, away)
        except FileNotFoundError:
            os.lstat(full)
            self._folders.ensure(self._staging)
            os.rename(full, away)
        return away


def _remove_tree(full: str) -> None:
    if os.path.islink(full):
        os.unlink(full)
        return None
    for _ in range(_ATTEMPTS):
        # Another process may be removing the same.
        with suppress(FileNotFoundError):
            return shutil.rmtree(full)
        if not os.path.lexists(full):
            return None
    raise OSError(errno.EBUSY, "the folder changes again and again")
