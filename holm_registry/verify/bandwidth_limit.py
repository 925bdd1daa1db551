from __future__ import annotations

import time
from collections.abc import Callable


class BandwidthLimit:
    """
    Keeps something from going faster than it may.

    :param bytes_per_second: How fast; None for as fast as can be.
    :param clock: Tells the time, in seconds from whenever.
    :param sleep: Waits for some seconds.
    """

    def __init__(
        self,
        bytes_per_second: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def spend(self, count_bytes: int) -> None:
        """Note that bytes were read, and wait if that was too soon; what was late stays late."""
        if self._bytes_per_second is None:
            return
        now = self._clock()
        self._due = max(self._due + count_bytes / self._bytes_per_second, now)
        self._sleep(self._due - now)
