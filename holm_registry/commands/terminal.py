from __future__ import annotations

import time
from typing import TextIO

_WIDTH = 30


class ProgressBar:
    """
    A line that says how far something is; none if the output is not a terminal.

    :param stream: Where to; a terminal, or nothing is written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None
        self._next = 0.0

    def show(self, what: str, done: int, total: int) -> None:
        """Show how much is done, ten times a second at the most."""
        now = time.monotonic()
        if self._stream is None or now < self._next:
            return
        self._next = now + 0.1
        filled = _WIDTH * done // max(total, 1)
        bar = "#" * filled + "." * (_WIDTH - filled)
        self._stream.write(f"\r\x1b[K{what} [{bar}] {done}/{total}")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
