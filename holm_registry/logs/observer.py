"""
The log observer of this process, configured by its options and its configuration file.

twistd gets the observer's factory by its dotted name, before any service exists. So the factory is
a module-level object, :data:`LOG`, which is configured before twistd calls it.
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

from .formats import make_format
from .line_writer import LineWriter, stream_writer

#: How long to wait for lines to be written before the file is reopened, in seconds.
_REOPEN_TIMEOUT_SECONDS = 0.5

_LEVELS = {
    "debug": LogLevel.debug,
    "info": LogLevel.info,
    "warn": LogLevel.warn,
    "error": LogLevel.error,
}


class LogFile:
    """A log file, which can be reopened after log rotation has renamed it."""

    def __init__(self, path: str) -> None:
        # Absolute, since a daemon changes its working directory before it reopens the file.
        self._path = os.path.abspath(path)
        self._file = self._open()
        # Threads log as well.
        self._lock = Lock()

    def write(self, text: str) -> int:
        """Write text through to the operating system."""
        with self._lock:
            count = self._file.write(text)
            self._file.flush()
        return count

    def flush(self) -> None:
        """Do nothing: :meth:`write` flushes."""

    def reopen(self) -> None:
        """Open the path again: after a rotation, a new file."""
        with self._lock:
            old, self._file = self._file, self._open()
            old.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> TextIO:
        return open(self._path, "a", encoding="utf-8")


class _QueuedStream:
    """A text stream, as far as Twisted's observer needs one, that queues its lines."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Queue text."""
        self._writer.write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the writer's thread writes."""


class Log:
    """The factory of the log observer; its level and file can change while it is in use."""

    def __init__(self) -> None:
        self._predicate = LogLevelFilterPredicate()
        self._format = make_format("text", {})
        self._path: str | None = None
        self._file: LogFile | None = None
        self._writer: LineWriter | None = None
        self.set_level("info")

    def configure(
        self,
        level: str,
        formatter: str = "text",
        fields: Mapping[str, Any] | None = None,
        path: str | None = None,
    ) -> None:
        """
        Set what :meth:`observer` makes.

        :param level: The least severe level to write: ``debug``, ``info``, ``warn``, ``error``.
        :param formatter: ``text``, ``json`` or ``logstash``.
        :param fields: Added to each line.
        :param path: The log file; None for standard error.
        """
        self.set_level(level)
        self._format = make_format(formatter, fields or {})
        self._path = path

    def set_level(self, level: str) -> None:
        """Change the level, also of an observer that is in use."""
        self._predicate.defaultLogLevel = _LEVELS[level]
        self._predicate.clearLogLevels()
        if level == "info":
            # Twisted logs two lines for each outgoing connection, and repeats what ours say.
            for namespace in ("twisted", "log_legacy"):
                self._predicate.setLogLevelForNamespace(namespace, LogLevel.warn)

    def observer(self) -> ILogObserver:
        """Make the observer; twistd calls this."""
        return FilteringLogObserver(
            FileLogObserver(self._stream(), self._format), [self._predicate]
        )

    def _stream(self) -> Any:
        """Return a stream to write to, which does not block."""
        if self._path is not None:
            file = self._file = LogFile(self._path)
            self._writer = LineWriter("process", lambda data: file.write(data.decode()))
            return _QueuedStream(self._writer)
        try:
            return _QueuedStream(stream_writer("process", sys.stderr))
        except OSError:
            # sys.stderr was replaced by an object without a file descriptor.
            return sys.stderr

    def reopen(self) -> None:
        """Reopen the log file, if there is one; earlier lines go to the old file."""
        if self._writer is not None:
            self._writer.flush(_REOPEN_TIMEOUT_SECONDS)
        if self._file is not None:
            self._file.reopen()

    def close(self) -> None:
        """Write all lines, and close the log file, if there is one."""
        if self._writer is not None:
            self._writer.flush()
        if self._file is not None:
            self._file.close()


#: ``twistd --logger`` gets ``holm_registry.logs.observer.LOG.observer``.
LOG = Log()
