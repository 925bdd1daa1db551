"""
Notice when files are replaced while a server runs: certificates, and keys that sign tokens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterable

#: The least time between two checks of the files, in seconds.
_CHECK_SECONDS = 1.0


class FileWatcher:
    """
    Compares the versions of some files with those of the previous check.

    :param seconds: A monotonic clock, in seconds.
    """

    def __init__(self, paths: Iterable[str], seconds: Callable[[], float] = time.monotonic) -> None:
        self._paths = tuple(paths)
        self._seconds = seconds
        self._checked_at = seconds()
        self._versions = self._read_versions()

    def have_changed(self) -> bool:
        """
        Whether a file has changed since the previous check.

        It checks once a second at most, so that it may be called for each connection.
        """
        now = self._seconds()
        # The absolute difference: a clock that was set back must not end the checks.
        if abs(now - self._checked_at) < _CHECK_SECONDS:
            return False
        self._checked_at = now
        before, self._versions = self._versions, self._read_versions()
        return self._versions != before

    def _read_versions(self) -> tuple[Hashable, ...]:
        return tuple(map(_version, self._paths))


def _version(path: str) -> Hashable:
    """Return a value that changes whenever the file does; None if the file is missing."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
