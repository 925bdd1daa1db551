from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

#: How long the same is not worth another line, in seconds, and how many lines are in that time.
_REPEAT_SECONDS = 3600.0
_MAX_LINES = 100


class StoreWarnings:
    """
    Tells what on a store is passed over: each thing once an hour, and not too many.

    :param tell: Gets a line.
    :param seconds: Tells the time, from any beginning.
    """

    def __init__(
        self,
        tell: Callable[[str], object] = lambda _: None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._seconds = seconds
        self._lock = Lock()
        self._begun = 0.0
        self._told: set[str] = set()

    def add(self, where: str, problem: object) -> None:
        """Tell that something is passed over, and why."""
        line = f"{where}: {problem}"
        with self._lock:
            now = self._seconds()
            if now - self._begun >= _REPEAT_SECONDS:
                self._begun = now
                self._told.clear()
            if line in self._told or len(self._told) >= _MAX_LINES:
                return
            self._told.add(line)
        self._tell(f"skipped: {ascii(line)[1:-1]}")
