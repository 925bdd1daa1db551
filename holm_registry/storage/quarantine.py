"""
Files that a sweep has taken out of sight, and the way back.

A file on trial lies beside its place, under a name that is never used again. Every step is one call
and needs no space, not even a new folder, so that a full disk can be swept. Of two who want such a
file at the same moment, one to remove it and one to have it back, exactly one succeeds. Whoever
asks for it puts it back, also after a crash.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import suppress

from .durable import sync_folder

#: What the name of a file on trial ends with.
SUFFIX = ".aside"


def add(path: str) -> list[str]:
    """
    Take a file out of sight.

    :return: Where it is now; behind that, where sweeps that died have left it before.
    :raises FileNotFoundError: There is none.
    """
    aside = f"{path}.{uuid.uuid4().hex[:12]}{SUFFIX}"
    left = _asides(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        if not left:
            raise
        return left
    return [aside, *left]


def restore(path: str) -> bool:
    """
    Put a file back, never in place of one that was written anew meanwhile.

    :return: Whether it was out of sight; else there was nothing, or another process had it first.
    """
    return any(_put_back(aside, path) for aside in _asides(path))


def remove(path: str, taken: Iterable[str]) -> bool:
    """
    Remove a file that is out of sight, unless it was restored, or written anew.

    :return: Whether it is gone.
    """
    for aside in taken:
        with suppress(FileNotFoundError):
            os.unlink(aside)
    return not os.path.lexists(path)


def discard(path: str) -> None:
    """Remove what is out of sight of a file that is to be gone itself."""
    for aside in _asides(path):
        with suppress(FileNotFoundError):
            os.unlink(aside)


def _asides(path: str) -> list[str]:
    folder, _, name = path.rpartition("/")
    try:
        names = os.listdir(folder)
    except OSError:
        # Not there, or nothing to be seen in it: a request for the file itself is told why.
        return []
    return [
        f"{folder}/{each}"
        for each in names
        if each.endswith(SUFFIX) and each.startswith(f"{name}.")
    ]


def _put_back(aside: str, path: str) -> bool:
    try:
        os.link(aside, path)
    except FileNotFoundError:
        return False
    except FileExistsError:
        # It was written anew: what is out of sight is an older copy.
        is_back = False
    except OSError:
        # No hard links here, or not to files of another user.
        return _rename_back(aside, path)
    else:
        is_back = True
    with suppress(FileNotFoundError):
        os.unlink(aside)
    if is_back:
        _sync_above(path)
    return is_back


def _rename_back(aside: str, path: str) -> bool:
    if os.path.lexists(path):
        return False
    try:
        os.rename(aside, path)
    except FileNotFoundError:
        return False
    _sync_above(path)
    return True


def _sync_above(path: str) -> None:
    with suppress(FileNotFoundError):
        sync_folder(os.path.dirname(path))
