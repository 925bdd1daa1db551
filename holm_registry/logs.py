"""
Where logs go: what happens to standard error, one line each request to standard output.
"""

from __future__ import annotations

import sys
from functools import partial
from types import SimpleNamespace
from typing import TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    textFileLogObserver,
)

_LEVELS = {
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
}

_log = Logger()


def observer(stream: TextIO, level: str) -> ILogObserver:
    """
    Make an observer that writes events as text.

    :param level: The least severe that are written: ``debug``, ``info``, ``warn`` or ``error``.
    """
    predicate = LogLevelFilterPredicate(defaultLogLevel=_LEVELS[level])
    if level != "debug":
        # Two lines for each connection that is made, and what our own lines say better.
        predicate.setLogLevelForNamespace("twisted", LogLevel.warn)
    return FilteringLogObserver(textFileLogObserver(stream), [predicate])


#: One observer for each level, under names that ``twistd --logger`` understands.
TO_STANDARD_ERROR = SimpleNamespace(
    **{level: partial(observer, sys.stderr, level) for level in _LEVELS}
)


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
