from __future__ import annotations

from typing import TextIO

from twisted.logger import Logger

from .line_writer import stream_writer

_log = Logger()


class AccessLogWriter:
    """
    Writes access log lines, until nobody reads them any more.

    :raises OSError: The stream has no descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._writer = stream_writer("access", stream)
        self._has_ended = False

    def write(self, line: str) -> None:
        """Have one line written; nobody waits for it."""
        problem = self._writer.problem
        if problem is None:
            self._writer.write(line)
        elif not self._has_ended:
            self._has_ended = True
            _log.error("access log ends: {problem}", problem=problem)
