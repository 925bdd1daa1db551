from __future__ import annotations

import os
from itertools import count
from urllib.parse import quote

from holm_registry.file_lock import Busy, open_locked


class QueueDirectories:
    """
    The folders in which this process keeps what is to be delivered.

    Several processes may serve one volume: each has a folder of its own, locked for as long as it
    lives. One that starts takes over what others that are gone have left.

    :ivar own: Where to put events.
    :ivar left: Where others have left some.
    """

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        # Kept open: they hold the locks.
        self._files: list[int] = []
        # What is not named as ours are is somebody else's.
        with os.scandir(folder) as entries:
            names = sorted(each.name for each in entries if _is_ours(each))
        free = [each for each in names if self._lock(f"{folder}/{each}")]
        if not free:
            free = [next(name for name in map(str, count()) if self._take(f"{folder}/{name}"))]
        self.own, *self.left = (f"{folder}/{name}" for name in free)

    def close(self) -> None:
        """Leave all to others."""
        while self._files:
            os.close(self._files.pop())

    def _take(self, folder: str) -> bool:
        os.makedirs(folder, exist_ok=True)
        return self._lock(folder)

    def _lock(self, folder: str) -> bool:
        # Some NFS mounts know no locks: then one process has the volume to itself, or events are
        # delivered twice.
        try:
            self._files.append(open_locked(f"{folder}/lock", os.O_RDWR | os.O_CREAT))
        except Busy:
            return False
        return True


def _is_ours(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    return name.isascii() and name.isdecimal() and entry.is_dir(follow_symlinks=False)


def queue_folder(folder: str, endpoint: str) -> str:
    """Give the folder of an endpoint's queue."""
    return f"{folder}/{quote(endpoint, safe='')}"
