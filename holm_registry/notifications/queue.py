"""
A queue of events on disk, for one endpoint.

Events are lines, appended to a segment file and never changed. The position of the next event is
kept in a file of its own, written after each delivery: after a crash the last event may be
delivered twice, and none is lost. A segment is removed when all of its events were delivered.

No file is synced: a power cut may lose the events of the last seconds, but never content.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock

import msgspec
from attrs import define, frozen

#: The size from which on a new segment is started, in bytes.
SEGMENT_BYTES = 1024 * 1024

#: The size of all segments; beyond it, the oldest events become dead letters. In bytes.
MAX_BYTES = 64 * 1024 * 1024

#: The size at which the file of dead letters is rotated, once, in bytes.
MAX_DEAD_LETTER_BYTES = 4 * 1024 * 1024


#: The longest line that is read, in bytes; a longer one is damaged.
MAX_LINE_BYTES = 16 * 1024 * 1024

#: How much of a damaged line is kept for inspection, in bytes.
_MAX_DAMAGED_LINE_BYTES = 64 * 1024

#: More than any number of a segment.
_MAX_SEGMENT = 10**10

_SEGMENT = re.compile(r"([0-9]{10})\.jsonl")


@define(order=True, frozen=True)
class QueuePosition:
    """A place in the queue: the number of a segment, and an offset in it, in bytes."""

    segment: int = 0
    offset: int = 0


@frozen
class QueueEntry:
    """
    An event that waits.

    :ivar line: The event, without the end of its line.
    :ivar end: The position behind it, where the next event begins.
    """

    line: bytes
    end: QueuePosition


class EventQueue:
    """
    A bounded queue in a directory, for one process at a time. Safe to use from several threads.

    :param max_bytes: The size of all segments.
    :param is_valid: Whether a line is a whole event; lines that are not count as damaged.
    :ivar pending: How many events wait.
    :ivar dead_letters: How many events this process has given up.
    :ivar damaged: How many lines this process could not read.
    """

    def __init__(
        self,
        directory: str,
        max_bytes: int = MAX_BYTES,
        is_valid: Callable[[bytes], bool] = bool,
    ) -> None:
        self._is_valid = is_valid
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = Lock()
        os.makedirs(directory, exist_ok=True)
        self._segment_sizes = {
            number: self._segment_size(number) for number in self._segment_numbers()
        }
        self._position = self._load_position()
        # Always a new segment: the last one may end with a half-written line.
        self._last_segment = max(self._segment_sizes, default=self._position.segment) + 1
        self.pending = self._count_lines()
        self.dead_letters = 0
        self.damaged = 0

    def append(self, line: bytes) -> None:
        """
        Add an event at the end; drop the oldest segment if the queue becomes too large.

        :raises OSError: The event could not be written.
        """
        with self._lock:
            size = self._segment_sizes.get(self._last_segment, 0)
            if size >= SEGMENT_BYTES:
                self._last_segment, size = self._last_segment + 1, 0
            self._write(self._segment_path(self._last_segment), size, line + b"\n")
            self._segment_sizes[self._last_segment] = size + len(line) + 1
            self.pending += 1
            while (
                sum(self._segment_sizes.values()) > self._max_bytes and len(self._segment_sizes) > 1
            ):
                self._drop_oldest_segment()

    def peek(self) -> QueueEntry | None:
        """Return the oldest event, and skip damaged lines; None if the queue is empty."""
        with self._lock:
            for number in sorted(self._segment_sizes):
                while number >= self._position.segment:
                    offset = self._position.offset if number == self._position.segment else 0
                    data = self._read_line(number, offset)
                    if not data:
                        break
                    end = QueuePosition(number, offset + len(data))
                    if self._is_whole(data):
                        return QueueEntry(data[:-1], end)
                    is_unfinished = not data.endswith(b"\n") and len(data) < MAX_LINE_BYTES
                    if number == self._last_segment and is_unfinished:
                        # The line is still being written.
                        break
                    self._discard_damaged(data, end)
            return None

    def _is_whole(self, data: bytes) -> bool:
        return data.endswith(b"\n") and self._is_valid(data[:-1])

    def _discard_damaged(self, data: bytes, end: QueuePosition) -> None:
        """Keep a damaged line for inspection, and go on behind it."""
        self.damaged += 1
        self.pending -= data.endswith(b"\n")
        path = f"{self._directory}/damaged"
        size = os.path.getsize(path) if os.path.exists(path) else 0
        self._write(
            path,
            size if size <= MAX_DEAD_LETTER_BYTES else 0,
            data[:_MAX_DAMAGED_LINE_BYTES] + b"\n",
        )
        self._set_position(end)

    def advance(self, entry: QueueEntry) -> None:
        """Record that an event was delivered; do nothing if it was given up meanwhile."""
        with self._lock:
            if entry.end > self._position:
                self.pending -= 1
                self._set_position(entry.end)

    def dead_letter(self, entry: QueueEntry) -> None:
        """Give up an event, and keep it in ``dead.jsonl`` for inspection."""
        with self._lock:
            if entry.end > self._position:
                self.pending -= 1
                self._append_dead_letters([entry.line])
                self._set_position(entry.end)

    def _set_position(self, position: QueuePosition) -> None:
        self._position = position
        for number in [number for number in self._segment_sizes if number < position.segment]:
            self._remove(number)
        if (
            position.offset >= self._segment_sizes.get(position.segment, 0)
            and self._last_segment > position.segment
        ):
            self._remove(position.segment)
        temporary = f"{self._directory}/position.new"
        with open(temporary, "wb", buffering=0) as file:
            file.write(msgspec.json.encode([position.segment, position.offset]))
        os.replace(temporary, f"{self._directory}/position")

    def _drop_oldest_segment(self) -> None:
        number = min(self._segment_sizes)
        offset = self._position.offset if number == self._position.segment else 0
        lines = []
        while data := self._read_line(number, offset):
            self.pending -= data.endswith(b"\n")
            offset += len(data)
            if self._is_whole(data):
                lines.append(data[:-1])
            else:
                self.damaged += 1
        self._append_dead_letters(lines)
        self._remove(number)
        self._set_position(max(self._position, QueuePosition(number + 1)))

    def _append_dead_letters(self, lines: list[bytes]) -> None:
        self.dead_letters += len(lines)
        path = f"{self._directory}/dead.jsonl"
        size = os.path.getsize(path) if os.path.exists(path) else 0
        if size > MAX_DEAD_LETTER_BYTES:
            os.replace(path, f"{self._directory}/dead.older.jsonl")
            size = 0
        self._write(path, size, b"".join(line + b"\n" for line in lines))

    def _remove(self, number: int) -> None:
        self._segment_sizes.pop(number, None)
        with suppress(FileNotFoundError):
            os.unlink(self._segment_path(number))

    def _write(self, path: str, size: int, content: bytes) -> None:
        """Append to a file of a size: all of the content, or nothing."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            written = os.pwrite(file, content, size)
            if written < len(content):
                os.ftruncate(file, size)
                raise OSError(28, "No space left on device")
        finally:
            os.close(file)

    def _read_line(self, number: int, offset: int) -> bytes:
        """Read a line with its end, or the part of it that was written; empty at the end."""
        try:
            with open(self._segment_path(number), "rb") as file:
                file.seek(offset)
                return file.readline(MAX_LINE_BYTES)
        except FileNotFoundError:
            return b""

    def _count_lines(self) -> int:
        count = 0
        for number in self._segment_sizes:
            if number >= self._position.segment:
                with open(self._segment_path(number), "rb") as file:
                    file.seek(self._position.offset if number == self._position.segment else 0)
                    steps = iter(partial(file.read, SEGMENT_BYTES), b"")
                    count += sum(step.count(b"\n") for step in steps)
        return count

    def _load_position(self) -> QueuePosition:
        try:
            with open(f"{self._directory}/position", "rb") as file:
                segment, offset = msgspec.json.decode(file.read(), type=tuple[int, int])
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            segment = offset = -1
        if self._is_plausible(segment, offset):
            return QueuePosition(segment, offset)
        # An unknown position: events are rather delivered twice than not at all.
        return QueuePosition(min(self._segment_sizes, default=0))

    def _is_plausible(self, segment: int, offset: int) -> bool:
        """Whether the position may be true: one that is too far would hide events that wait."""
        if not self._segment_sizes:
            return 0 <= segment < _MAX_SEGMENT and offset >= 0
        return 0 <= segment <= max(self._segment_sizes) and 0 <= offset <= self._segment_sizes.get(
            segment, offset
        )

    def _segment_numbers(self) -> list[int]:
        with os.scandir(self._directory) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        matches = (_SEGMENT.fullmatch(name) for name in names)
        return sorted(int(match[1]) for match in matches if match is not None)

    def _segment_size(self, number: int) -> int:
        return os.path.getsize(self._segment_path(number))

    def _segment_path(self, number: int) -> str:
        return f"{self._directory}/{number:010}.jsonl"
