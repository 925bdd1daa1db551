"""
Write log lines without blocking, however slowly the other end of a pipe reads them.

Writing to a full pipe would block the reactor, and with it every client. So lines wait in a bounded
queue, and one thread for each stream writes them. Lines that do not fit into the queue are dropped
and counted, and a line in the log says how many.
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

#: The size of the queue, in bytes.
MAX_QUEUED_BYTES = 1024 * 1024

#: How much is written in one batch, in bytes.
_BATCH_BYTES = 64 * 1024

#: The time between two batches, in seconds. A thread that wakes up for each line competes with the
#: reactor for the interpreter's lock, which costs a busy server a third of its throughput.
BATCH_SECONDS = 0.1

#: How long the process waits at its end for a stream that accepts no data, in seconds.
FLUSH_TIMEOUT_SECONDS = 2.0


class LineWriter:
    """
    Writes lines in a thread of its own. Safe to use from several threads.

    :param name: The label in metrics.
    :param put: Writes bytes, and may block; raises OSError if the stream is closed.
    :param max_bytes: The size of the queue.
    :param batch_seconds: The time between two batches, unless a full batch is ready earlier.
    :ivar dropped: How many lines were dropped.
    """

    def __init__(
        self,
        name: str,
        put: Callable[[bytes], object],
        max_bytes: int = MAX_QUEUED_BYTES,
        batch_seconds: float = BATCH_SECONDS,
    ) -> None:
        self.name = name
        self.dropped = 0
        self._put = put
        self._max_bytes = max_bytes
        self._batch_seconds = batch_seconds
        self._flushes = 0
        self._error: Exception | None = None
        self._unreported = 0
        self._condition = Condition()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._thread: Thread | None = None
        _WRITERS.add(self)

    @property
    def error(self) -> Exception | None:
        """Why the writer has ended; None while it works."""
        return self._error

    def write(self, line: str) -> bool:
        """Queue a line; return False if it was dropped."""
        data = line.encode("utf-8", "backslashreplace")
        with self._condition:
            if self._error is not None or self._queued_bytes + len(data) > self._max_bytes:
                self.dropped += 1
                self._unreported += 1
                return False
            had_enough = self._has_full_batch()
            self._queue.append(data)
            self._queued_bytes += len(data)
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"log-{self.name}", daemon=True)
                self._thread.start()
            elif len(self._queue) == 1 or self._has_full_batch() != had_enough:
                self._condition.notify_all()
        return True

    def flush(self, seconds: float = FLUSH_TIMEOUT_SECONDS) -> bool:
        """
        Wait until all lines are written; return whether they are.

        :param seconds: How long to wait while nothing at all is written.
        """
        with self._condition:
            self._flushes += 1
            self._condition.notify_all()
            try:
                while self._queued_bytes and self._error is None:
                    before = self._queued_bytes
                    if not self._condition.wait(seconds) and self._queued_bytes == before:
                        return False
                return not self._queued_bytes
            finally:
                self._flushes -= 1

    def reset(self) -> None:
        """Empty the queue of a forked child: it has no thread, and its parent writes the lines."""
        self._condition = Condition()
        self._flushes = 0
        self._queue.clear()
        self._queued_bytes = 0
        self._thread = None

    def _run(self) -> None:
        next_batch = 0.0
        while True:
            with self._condition:
                while not self._queue:
                    self._condition.wait()
                self._condition.wait_for(self._is_due, max(0.0, next_batch - monotonic()))
                data = self._take_batch()
            try:
                self._put(data)
            except (OSError, ValueError) as problem:
                # The other end was closed, or this one.
                self._fail(problem)
                return
            self._report_dropped()
            with self._condition:
                self._queued_bytes -= len(data)
                self._condition.notify_all()
            next_batch = monotonic() + self._batch_seconds

    def _report_dropped(self) -> None:
        with self._condition:
            count, self._unreported = self._unreported, 0
        if count:
            _log.warn("{name} log: {count} lines dropped", name=self.name, count=count)

    def _has_full_batch(self) -> bool:
        return self._queued_bytes >= _BATCH_BYTES

    def _is_due(self) -> bool:
        """Whether to write now, and not to wait for more lines."""
        return self._flushes > 0 or self._has_full_batch()

    def _take_batch(self) -> bytes:
        """Remove the lines of the next batch from the queue."""
        lines: list[bytes] = []
        size = 0
        while self._queue and size < _BATCH_BYTES:
            lines.append(self._queue.popleft())
            size += len(lines[-1])
        return b"".join(lines)

    def _fail(self, problem: Exception) -> None:
        with self._condition:
            self._error = problem
            self._queue.clear()
            self._queued_bytes = 0
            self._condition.notify_all()


_WRITERS: WeakSet[LineWriter] = WeakSet()
_BY_FILE: dict[tuple[int, int, int], LineWriter] = {}


def stream_writer(name: str, stream: TextIO) -> LineWriter:
    """
    Return the writer of a stream; always the same one for the same file.

    :raises OSError: The stream has no file descriptor.
    """
    descriptor = stream.fileno()
    stream.flush()
    stat = os.fstat(descriptor)
    file = (descriptor, stat.st_dev, stat.st_ino)
    if file not in _BY_FILE:
        _BY_FILE[file] = LineWriter(name, lambda data: _write(descriptor, data))
    return _BY_FILE[file]


def dropped_lines() -> Mapping[str, float]:
    """Return how many lines were dropped, by the name of the log."""
    return {writer.name: writer.dropped for writer in _WRITERS}


def flush_all() -> None:
    """Wait until all logs are written; give up on streams that accept no data."""
    for writer in tuple(_WRITERS):
        writer.flush()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _reset_after_fork() -> None:
    for writer in tuple(_WRITERS):
        writer.reset()


atexit.register(flush_all)
os.register_at_fork(after_in_child=_reset_after_fork)
