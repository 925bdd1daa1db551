"""
Files that may be renewed at any time: certificates, and the keys of tokens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterable

#: How often to look whether files have changed, in seconds.
_LOOK_SECONDS = 1.0


class FileWatcher:
    """
    Some files, and how they were when somebody last looked.

    :param seconds: Tells the time, from any beginning.
    """

    def __init__(self, paths: Iterable[str], seconds: Callable[[], float] = time.monotonic) -> None:
        self._paths = tuple(paths)
        self._seconds = seconds
        self._looked = seconds()
        self._versions = self._look()

    def have_changed(self) -> bool:
        """Tell whether any has changed since the last time; asked often, it looks once a second."""
        now = self._seconds()
        # A clock that was set back must not put it off for ever.
        if abs(now - self._looked) < _LOOK_SECONDS:
            return False
        self._looked = now
        before, self._versions = self._versions, self._look()
        return self._versions != before

    def _look(self) -> tuple[Hashable, ...]:
        return tuple(map(_version, self._paths))


def _version(path: str) -> Hashable:
    """Give what differs whenever a file does; None where there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
