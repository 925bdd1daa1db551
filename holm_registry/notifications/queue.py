"""
What is still to be delivered, in files.

Events are lines, appended to a segment file and never changed. How far they were delivered is kept
in a file of its own, written after each delivery: after a crash the last event may be delivered
twice, and none is lost. A segment that was delivered is removed.

Nothing is synced: what a power cut loses of the last seconds is news, not content.
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

#: When a segment is long enough, in bytes.
SEGMENT_BYTES = 1024 * 1024

#: How much may wait, in bytes; beyond that, the oldest are given up.
MAX_BYTES = 64 * 1024 * 1024

#: How much of what was given up is kept to be looked at, in bytes; the same again of what is older.
MAX_DEAD_BYTES = 4 * 1024 * 1024


#: The longest line that is read, in bytes.
MAX_LINE_BYTES = 16 * 1024 * 1024

#: How much of a damaged line is kept to be looked at, in bytes.
_KEPT_BYTES = 64 * 1024

#: Beyond any number of a segment.
_MAX_SEGMENT = 10**10

_SEGMENT = re.compile(r"([0-9]{10})\.jsonl")


@define(order=True, frozen=True)
class QueuePosition:
    """A place in the queue: a segment, and where in it, in bytes."""

    segment: int = 0
    offset: int = 0


@frozen
class QueueEntry:
    """
    A line, and where the next one begins.

    :ivar behind: What to give :meth:`EventQueue.advance` when it was delivered.
    """

    line: bytes
    behind: QueuePosition


class EventQueue:
    """
    A bounded queue in a folder, of one process at a time. Safe to use from several threads.

    :param is_readable: Tells whether a line is what was put in, as far as that can be told.
    :ivar pending: How many wait.
    :ivar dead: How many were given up, in this process.
    :ivar damaged: How many pieces could not be read and were set aside, in this process.
    """

    def __init__(
        self,
        folder: str,
        max_bytes: int = MAX_BYTES,
        is_readable: Callable[[bytes], bool] = bool,
    ) -> None:
        self._is_readable = is_readable
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = Lock()
        os.makedirs(folder, exist_ok=True)
        self._sizes = {number: self._measure(number) for number in self._numbers()}
        self._position = self._load()
        # What a crash left half written is never added to.
        self._last = max(self._sizes, default=self._position.segment) + 1
        self.pending = self._count()
        self.dead = 0
        self.damaged = 0

    def append(self, line: bytes) -> None:
        """
        Put an event at the end.

        :raises OSError: It could not be written.
        """
        with self._lock:
            size = self._sizes.get(self._last, 0)
            if size >= SEGMENT_BYTES:
                self._last, size = self._last + 1, 0
            self._write(self._path(self._last), size, line + b"\n")
            self._sizes[self._last] = size + len(line) + 1
            self.pending += 1
            while sum(self._sizes.values()) > self._max_bytes and len(self._sizes) > 1:
                self._give_up_segment()

    def peek(self) -> QueueEntry | None:
        """Give the first that waits, setting aside what cannot be read; None if none waits."""
        with self._lock:
            for number in sorted(self._sizes):
                while number >= self._position.segment:
                    offset = self._position.offset if number == self._position.segment else 0
                    data = self._read(number, offset)
                    if not data:
                        break
                    behind = QueuePosition(number, offset + len(data))
                    if self._is_whole(data):
                        return QueueEntry(data[:-1], behind)
                    is_unfinished = not data.endswith(b"\n") and len(data) < MAX_LINE_BYTES
                    if number == self._last and is_unfinished:
                        # It is just being written.
                        break
                    self._set_aside(data, behind)
            return None

    def _is_whole(self, data: bytes) -> bool:
        return data.endswith(b"\n") and self._is_readable(data[:-1])

    def _set_aside(self, data: bytes, behind: QueuePosition) -> None:
        """Go past what a power cut, or somebody else, has made of a line."""
        self.damaged += 1
        self.pending -= data.endswith(b"\n")
        path = f"{self._folder}/damaged"
        size = os.path.getsize(path) if os.path.exists(path) else 0
        self._write(path, size if size <= MAX_DEAD_BYTES else 0, data[:_KEPT_BYTES] + b"\n")
        self._move(behind)

    def advance(self, entry: QueueEntry) -> None:
        """Note that an event was delivered; fine if it was given up meanwhile."""
        with self._lock:
            if entry.behind > self._position:
                self.pending -= 1
                self._move(entry.behind)

    def bury(self, entry: QueueEntry) -> None:
        """Give an event up, keeping it to be looked at."""
        with self._lock:
            if entry.behind > self._position:
                self.pending -= 1
                self._keep_dead([entry.line])
                self._move(entry.behind)

    def _move(self, position: QueuePosition) -> None:
        self._position = position
        for number in [number for number in self._sizes if number < position.segment]:
            self._remove(number)
        if (
            position.offset >= self._sizes.get(position.segment, 0)
            and self._last > position.segment
        ):
            self._remove(position.segment)
        aside = f"{self._folder}/position.new"
        with open(aside, "wb", buffering=0) as file:
            file.write(msgspec.json.encode([position.segment, position.offset]))
        os.replace(aside, f"{self._folder}/position")

    def _give_up_segment(self) -> None:
        number = min(self._sizes)
        offset = self._position.offset if number == self._position.segment else 0
        lines = []
        while data := self._read(number, offset):
            self.pending -= data.endswith(b"\n")
            offset += len(data)
            if self._is_whole(data):
                lines.append(data[:-1])
            else:
                self.damaged += 1
        self._keep_dead(lines)
        self._remove(number)
        self._move(max(self._position, QueuePosition(number + 1)))

    def _keep_dead(self, lines: list[bytes]) -> None:
        self.dead += len(lines)
        path = f"{self._folder}/dead.jsonl"
        size = os.path.getsize(path) if os.path.exists(path) else 0
        if size > MAX_DEAD_BYTES:
            os.replace(path, f"{self._folder}/dead.older.jsonl")
            size = 0
        self._write(path, size, b"".join(line + b"\n" for line in lines))

    def _remove(self, number: int) -> None:
        self._sizes.pop(number, None)
        with suppress(FileNotFoundError):
            os.unlink(self._path(number))

    def _write(self, path: str, size: int, content: bytes) -> None:
        """Write at the end of a file: all, or nothing."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            written = os.pwrite(file, content, size)
            if written < len(content):
                os.ftruncate(file, size)
                raise OSError(28, "No space left on device")
        finally:
            os.close(file)

    def _read(self, number: int, offset: int) -> bytes:
        """Read a line with its end, or what there is of it; nothing behind the last."""
        try:
            with open(self._path(number), "rb") as file:
                file.seek(offset)
                return file.readline(MAX_LINE_BYTES)
        except FileNotFoundError:
            return b""

    def _count(self) -> int:
        count = 0
        for number in self._sizes:
            if number >= self._position.segment:
                with open(self._path(number), "rb") as file:
                    file.seek(self._position.offset if number == self._position.segment else 0)
                    steps = iter(partial(file.read, SEGMENT_BYTES), b"")
                    count += sum(step.count(b"\n") for step in steps)
        return count

    def _load(self) -> QueuePosition:
        try:
            with open(f"{self._folder}/position", "rb") as file:
                segment, offset = msgspec.json.decode(file.read(), type=tuple[int, int])
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            segment = offset = -1
        if self._is_possible(segment, offset):
            return QueuePosition(segment, offset)
        # Delivered twice rather than not at all.
        return QueuePosition(min(self._sizes, default=0))

    def _is_possible(self, segment: int, offset: int) -> bool:
        """Tell whether the queue may have got to a place: a damaged one would hide what waits."""
        if not self._sizes:
            return 0 <= segment < _MAX_SEGMENT and offset >= 0
        return 0 <= segment <= max(self._sizes) and 0 <= offset <= self._sizes.get(segment, offset)

    def _numbers(self) -> list[int]:
        with os.scandir(self._folder) as entries:
            names = [each.name for each in entries if each.is_file(follow_symlinks=False)]
        found = (_SEGMENT.fullmatch(name) for name in names)
        return sorted(int(each[1]) for each in found if each is not None)

    def _measure(self, number: int) -> int:
        return os.path.getsize(self._path(number))

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:010}.jsonl"
