from __future__ import annotations

from typing import TextIO

from twisted.logger import Logger

from .line_writer import stream_writer

_log = Logger()


class AccessLogWriter:
    """
    Writes the lines of the access log, until its stream is closed at the other end.

    :raises OSError: The stream has no descriptor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._writer = stream_writer("access", stream)
        self._is_reported = False

    def write(self, line: str) -> None:
        """Queue a line."""
        problem = self._writer.error
        if problem is None:
            self._writer.write(line)
        elif not self._is_reported:
            self._is_reported = True
            _log.error("the access log ends: {problem}", problem=problem)
