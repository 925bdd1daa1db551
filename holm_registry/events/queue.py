"""
What is still to be delivered, in files.

Events are lines, appended to a segment file and never changed. How far they were delivered is kept
in a file of its own, written after each delivery: after a crash the last event may be delivered
twice, and none is lost. A segment that was delivered is removed.

Nothing is synced: what a power cut loses of the last seconds is news, not content.
"""

from __future__ import annotations

import os
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


@define(order=True, frozen=True)
class Position:
    """A place in the queue: a segment, and where in it, in bytes."""

    segment: int = 0
    offset: int = 0


@frozen
class Entry:
    """
    A line, and where the next one begins.

    :ivar behind: What to give :meth:`EventQueue.advance` when it was delivered.
    """

    line: bytes
    behind: Position


class EventQueue:
    """
    A bounded queue in a folder, of one process at a time. Safe to use from several threads.

    :ivar pending: How many wait.
    :ivar dead: How many were given up, in this process.
    """

    def __init__(self, folder: str, max_bytes: int = MAX_BYTES) -> None:
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

    def peek(self) -> Entry | None:
        """Give the first that waits; None if none does."""
        with self._lock:
            for number in sorted(self._sizes):
                if number < self._position.segment:
                    continue
                offset = self._position.offset if number == self._position.segment else 0
                line = self._read(number, offset)
                if line is not None:
                    return Entry(line, Position(number, offset + len(line) + 1))
            return None

    def advance(self, entry: Entry) -> None:
        """Note that an event was delivered; fine if it was given up meanwhile."""
        with self._lock:
            if entry.behind > self._position:
                self.pending -= 1
                self._move(entry.behind)

    def bury(self, entry: Entry) -> None:
        """Give an event up, keeping it to be looked at."""
        with self._lock:
            if entry.behind > self._position:
                self.pending -= 1
                self._keep_dead([entry.line])
                self._move(entry.behind)

    def _move(self, position: Position) -> None:
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
        while (line := self._read(number, offset)) is not None:
            lines.append(line)
            offset += len(line) + 1
        self.pending -= len(lines)
        self._keep_dead(lines)
        self._remove(number)
        self._move(max(self._position, Position(number + 1)))

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

    def _read(self, number: int, offset: int) -> bytes | None:
        try:
            with open(self._path(number), "rb") as file:
                file.seek(offset)
                line = file.readline()
        except FileNotFoundError:
            return None
        return line[:-1] if line.endswith(b"\n") else None

    def _count(self) -> int:
        count = 0
        for number in self._sizes:
            if number >= self._position.segment:
                with open(self._path(number), "rb") as file:
                    file.seek(self._position.offset if number == self._position.segment else 0)
                    steps = iter(partial(file.read, SEGMENT_BYTES), b"")
                    count += sum(step.count(b"\n") for step in steps)
        return count

    def _load(self) -> Position:
        try:
            with open(f"{self._folder}/position", "rb") as file:
                segment, offset = msgspec.json.decode(file.read(), type=tuple[int, int])
        except (FileNotFoundError, msgspec.MsgspecError):
            # Delivered twice rather than not at all.
            return Position(min(self._sizes, default=0))
        return Position(segment, offset)

    def _numbers(self) -> list[int]:
        names = (name.partition(".") for name in os.listdir(self._folder))
        return sorted(int(stem) for stem, _, end in names if stem.isdigit() and end == "jsonl")

    def _measure(self, number: int) -> int:
        return os.path.getsize(self._path(number))

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:010}.jsonl"
