from __future__ import annotations

import os
from itertools import count
from urllib.parse import quote

from holm_registry.file_lock import Busy, open_locked


class QueueDirectories:
    """
    The directories of this process's queues.

    Several processes may serve one volume. Each has a directory of its own, and holds its lock
    until the process ends. A process that starts also takes over the directories of processes that
    have ended.

    :ivar own: The directory for new events.
    :ivar orphaned: Directories of processes that have ended, which may still hold events.
    """

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        # Descriptors that stay open, since they hold the locks.
        self._locks: list[int] = []
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries if _is_queue_directory(entry))
        locked = [name for name in names if self._try_lock(f"{directory}/{name}")]
        if not locked:
            numbers = map(str, count())
            locked = [next(name for name in numbers if self._claim(f"{directory}/{name}"))]
        self.own, *self.orphaned = (f"{directory}/{name}" for name in locked)

    def close(self) -> None:
        """Release all locks: other processes may take over the directories."""
        while self._locks:
            os.close(self._locks.pop())

    def _claim(self, directory: str) -> bool:
        os.makedirs(directory, exist_ok=True)
        return self._try_lock(directory)

    def _try_lock(self, directory: str) -> bool:
        # Some NFS mounts have no locks: several processes on such a volume deliver events twice.
        try:
            self._locks.append(open_locked(f"{directory}/lock", os.O_RDWR | os.O_CREAT))
        except Busy:
            return False
        return True


def _is_queue_directory(entry: os.DirEntry[str]) -> bool:
    # Other names do not belong to us.
    name = entry.name
    return name.isascii() and name.isdecimal() and entry.is_dir(follow_symlinks=False)


def queue_directory(directory: str, endpoint: str) -> str:
    """Return the directory of an endpoint's queue."""
    return f"{directory}/{quote(endpoint, safe='')}"
