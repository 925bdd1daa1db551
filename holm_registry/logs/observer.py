"""
The log of this process, as its options and configuration want it.

twistd takes a log by the name of what makes it, before there is any service; so what makes it lies
here, at a name, and is told beforehand what to make.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from threading import Lock
from typing import Any, TextIO

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
)

from .formats import format_of
from .line_writer import LineWriter, stream_writer

#: How long to wait for a disk that stands still before a file is opened again, in seconds.
_REOPEN_SECONDS = 0.5

_LEVELS = {
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
}


class LogFile:
    """A file to append to, which can be opened again under its name when it was moved away."""

    def __init__(self, path: str) -> None:
        # A daemon may be elsewhere by the time it is opened again.
        self._path = os.path.abspath(path)
        self._file = self._open()
        # Threads log as well.
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Write, and leave it to nobody to do so later."""
        with self._lock:
            count = self._file.write(text)
            self._file.flush()
        return count

    def flush(self) -> None:
        """Do nothing: all is written."""

    def reopen(self) -> None:
        """Open the file by this name, which may be a new one."""
        with self._lock:
            old, self._file = self._file, self._open()
            old.close()

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _open(self) -> TextIO:
        return open(self._path, "a", encoding="utf-8")


class _Queued:
    """Looks like a stream, as far as Twisted needs one."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Have text written; nobody waits for it."""
        self._writer.write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: it is written as soon as somebody reads it."""


class Log:
    """Makes the observer that writes the log, and changes it while it is in use."""

    def __init__(self) -> None:
        self._predicate = LogLevelFilterPredicate()
        self._format = format_of("text", {})
        self._path: str | None = None
        self._file: LogFile | None = None
        self._writer: LineWriter | None = None
        self.set_level("info")

    def choose(
        self,
        level: str,
        formatter: str = "text",
        fields: Mapping[str, Any] | None = None,
        path: str | None = None,
    ) -> None:
        """
        Say what the log is to be like.

        :param level: The least severe that is written: ``debug``, ``info``, ``warn``, ``error``.
        :param formatter: ``text``, ``json`` or ``logstash``.
        :param fields: What to add to each line.
        :param path: The file to write to; None for standard error.
        """
        self.set_level(level)
        self._format = format_of(formatter, fields or {})
        self._path = path

    def set_level(self, level: str) -> None:
        """Change the level, also of a log that is in use."""
        self._predicate.defaultLogLevel = _LEVELS[level]
        self._predicate.clearLogLevels()
        if level == "info":
            # Two lines for each connection that is made, and what our own lines say better.
            for namespace in ("twisted", "log_legacy"):
                self._predicate.setLogLevelForNamespace(namespace, LogLevel.warn)

    def observer(self) -> ILogObserver:
        """Make the observer."""
        return FilteringLogObserver(
            FileLogObserver(self._stream(), self._format), [self._predicate]
        )

    def _stream(self) -> Any:
        """Give what to write to, which nobody waits for."""
        if self._path is not None:
            file = self._file = LogFile(self._path)
            self._writer = LineWriter("process", lambda data: file.write(data.decode()))
            return _Queued(self._writer)
        try:
            return _Queued(stream_writer("process", sys.stderr))
        except OSError:
            # Something that stands in for it, and is no file.
            return sys.stderr

    def reopen(self) -> None:
        """Open the file again, if it is one; what was logged before goes to the one before."""
        if self._writer is not None:
            self._writer.finish(_REOPEN_SECONDS)
        if self._file is not None:
            self._file.reopen()

    def close(self) -> None:
        """Close the file, if it is one, when all is written."""
        if self._writer is not None:
            self._writer.finish()
        if self._file is not None:
            self._file.close()


#: What ``twistd --logger`` is told to use: ``holm_registry.logs.observer.LOG.observer``.
LOG = Log()
