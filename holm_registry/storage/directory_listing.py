from __future__ import annotations

import errno
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

#: A folder whose time is younger than this may change again without its time changing: file
#: systems keep times in ticks, NFS servers at worst in seconds.
SETTLED_SECONDS = 2.0

#: How many names to remember in all, at about 80 bytes each.
MAX_NAMES = 100_000


class DirectoryListing:
    """
    Remembers the folders in a folder for as long as its modification time stands.

    Making, removing and renaming an entry all change that time, in whichever process they happen,
    so one ``stat`` says whether what is remembered still holds.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: OrderedDict[str, tuple[tuple[int, int], tuple[str, ...]]] = OrderedDict()
        self._count = 0

    def list(self, path: str) -> Sequence[str]:
        """
        Name the folders in a folder, sorted.

        :raises OSError: The folder cannot be read.
        """
        stat = os.stat(path)
        version = (stat.st_mtime_ns, stat.st_ino)
        with self._lock:
            known = self._names.get(path)
            if known is not None and known[0] == version:
                self._names.move_to_end(path)
                return known[1]
        with os.scandir(path) as entries:
            names = tuple(sorted(entry.name for entry in entries if _is_folder(entry)))
        if time.time() - stat.st_mtime > SETTLED_SECONDS:
            self._remember(path, version, names)
        return names

    def _remember(self, path: str, version: tuple[int, int], names: tuple[str, ...]) -> None:
        with self._lock:
            self._forget(path)
            self._names[path] = (version, names)
            self._count += len(names) + 1
            while self._count > MAX_NAMES:
                self._forget(next(iter(self._names)))

    def _forget(self, path: str) -> None:
        _, names = self._names.pop(path, (None, None))
        if names is not None:
            self._count -= len(names) + 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """
    Return whether an entry is a folder, or may be one that cannot be seen just now.

    A link may lead to a volume that is not mounted: those who list what is in it are told so, and
    do not take it for removed.
    """
    try:
        entry.name.encode()
        if entry.is_dir():
            return not (entry.is_symlink() and _leads_back(entry.path))
        return entry.is_symlink() and not os.path.exists(entry.path)
    except OSError as problem:
        return problem.errno != errno.ELOOP
    except UnicodeEncodeError:
        return False


def _leads_back(path: str) -> bool:
    """Return whether a link leads to one of the folders it is in: it would hold itself."""
    target = os.path.realpath(path)
    while path != "/":
        path = os.path.dirname(path)
        if os.path.realpath(path) == target:
            return True
    return False
