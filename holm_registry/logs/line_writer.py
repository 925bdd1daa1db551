"""
Log lines that nobody waits for: whoever reads them may be slow, or stand still.

A full pipe would hold whoever writes into it: the reactor, and with it every client. Lines wait in
a bounded queue, and a thread of each stream writes them. What does not fit is dropped and counted,
and the log says so when its reader goes on.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from time import monotonic
from typing import TextIO
from weakref import WeakSet

from twisted.logger import Logger

_log = Logger()

#: How much may wait for a reader that stands still, in bytes.
MAX_WAITING_BYTES = 1024 * 1024

#: How much is written at once, in bytes.
_STEP_BYTES = 64 * 1024

#: How long after one step the next is, in seconds. A thread that woke up for each line would take
#: turns with the reactor for each, which costs a busy server a third of its answers.
STEP_SECONDS = 0.1

#: How long the end of the process waits for a reader that stands still, in seconds.
END_SECONDS = 2.0


class LineWriter:
    """
    Writes lines in a thread of its own. Safe to use from several threads.

    :param name: What the figures call it.
    :param put: Writes bytes, for as long as it takes; OSError if nobody reads them ever again.
    :param max_bytes: How much may wait.
    :param step_seconds: How long after one step the next is, unless there is enough for it before.
    :ivar dropped: How many lines were dropped.
    """

    def __init__(
        self,
        name: str,
        put: Callable[[bytes], object],
        max_bytes: int = MAX_WAITING_BYTES,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self.name = name
        self.dropped = 0
        self._put = put
        self._max_bytes = max_bytes
        self._step_seconds = step_seconds
        self._finishing = 0
        self._problem: Exception | None = None
        self._not_told = 0
        self._changed = Condition()
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._thread: Thread | None = None
        _WRITERS.add(self)

    @property
    def problem(self) -> Exception | None:
        """Why nothing can be written any more; None while it can."""
        return self._problem

    def write(self, line: str) -> bool:
        """Have a line written; give whether it was taken."""
        data = line.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._problem is not None or self._waiting_bytes + len(data) > self._max_bytes:
                self.dropped += 1
                self._not_told += 1
                return False
            had_enough = self._has_enough()
            self._lines.append(data)
            self._waiting_bytes += len(data)
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"log-{self.name}", daemon=True)
                self._thread.start()
            elif len(self._lines) == 1 or self._has_enough() != had_enough:
                self._changed.notify_all()
        return True

    def finish(self, seconds: float = END_SECONDS) -> bool:
        """Wait until all is written, or nothing has been for some time; give whether all is."""
        with self._changed:
            self._finishing += 1
            self._changed.notify_all()
            try:
                while self._waiting_bytes and self._problem is None:
                    before = self._waiting_bytes
                    if not self._changed.wait(seconds) and self._waiting_bytes == before:
                        return False
                return not self._waiting_bytes
            finally:
                self._finishing -= 1

    def start_over(self) -> None:
        """Begin without lines: threads do not live on in a child, and its parent writes them."""
        self._changed = Condition()
        self._finishing = 0
        self._lines.clear()
        self._waiting_bytes = 0
        self._thread = None

    def _run(self) -> None:
        following = 0.0
        while True:
            with self._changed:
                while not self._lines:
                    self._changed.wait()
                self._changed.wait_for(self._is_due, max(0.0, following - monotonic()))
                data = self._step()
            try:
                self._put(data)
            except (OSError, ValueError) as problem:
                # Nobody reads it any more, or it was closed.
                self._end(problem)
                return
            self._tell_of_dropped()
            with self._changed:
                self._waiting_bytes -= len(data)
                self._changed.notify_all()
            following = monotonic() + self._step_seconds

    def _tell_of_dropped(self) -> None:
        with self._changed:
            count, self._not_told = self._not_told, 0
        if count:
            _log.warn("{name} log: {count} lines dropped", name=self.name, count=count)

    def _has_enough(self) -> bool:
        return self._waiting_bytes >= _STEP_BYTES

    def _is_due(self) -> bool:
        """Tell whether what waits is to be written now."""
        return self._finishing > 0 or self._has_enough()

    def _step(self) -> bytes:
        """Take lines to be written at once."""
        lines: list[bytes] = []
        size = 0
        while self._lines and size < _STEP_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        return b"".join(lines)

    def _end(self, problem: Exception) -> None:
        with self._changed:
            self._problem = problem
            self._lines.clear()
            self._waiting_bytes = 0
            self._changed.notify_all()


_WRITERS: WeakSet[LineWriter] = WeakSet()
_BY_FILE: dict[tuple[int, int, int], LineWriter] = {}


def stream_writer(name: str, stream: TextIO) -> LineWriter:
    """
    Give what writes to a stream: one and the same for all that write to it.

    :raises OSError: The stream has no descriptor.
    """
    descriptor = stream.fileno()
    stream.flush()
    stat = os.fstat(descriptor)
    file = (descriptor, stat.st_dev, stat.st_ino)
    if file not in _BY_FILE:
        _BY_FILE[file] = LineWriter(name, lambda data: _write(descriptor, data))
    return _BY_FILE[file]


def dropped_lines() -> Mapping[str, float]:
    """Tell how many lines were dropped, by log."""
    return {writer.name: writer.dropped for writer in _WRITERS}


def finish_all() -> None:
    """Wait until all logs are written, as far as somebody reads them."""
    for writer in tuple(_WRITERS):
        writer.finish()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _start_over() -> None:
    for writer in tuple(_WRITERS):
        writer.start_over()


atexit.register(finish_all)
os.register_at_fork(after_in_child=_start_over)
