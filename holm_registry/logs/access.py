from __future__ import annotations

from typing import TextIO

from twisted.logger import Logger

_log = Logger()


class AccessLog:
    """Writes access log lines, until nobody reads them any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def write(self, line: str) -> None:
        """Write one line."""
        if self._stream is None:
            return
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError as problem:
            self._stream = None
            _log.error("access log ends: {problem}", problem=problem)
