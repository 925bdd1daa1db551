"""
Files of the store while they are open: of one to read, and of one to write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from .durable import Writeback, write_all
from .os_errors import translated


class FileReader:
    """Implements :class:`.driver.ObjectReader` on an open file."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._closed = False
        self.size_bytes = os.fstat(file).st_size

    def read(self, offset: int, length: int) -> bytes:
        with translated("open file"):
            return os.pread(self._file, length, offset)

    def fileno(self) -> int | None:
        return self._file

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._file)

    def __del__(self) -> None:
        # A request cancelled between the opening thread and its answer has no caller to close it.
        self.close()


class FileUpload:
    """
    Implements :class:`.driver.GrowingObject` on an upload's file.

    The file is locked for this process and, where the file system can, for all.

    :param path: Its path in the store.
    :param promote: Moves the file to another path of the store.
    :param release: Called with its path when it is closed.
    """

    def __init__(
        self,
        path: str,
        file: int,
        promote: Callable[[str, str], None],
        release: Callable[[str], None],
    ) -> None:
        self._path = path
        self._file = file
        self._promote = promote
        self._release = release
        self.size_bytes = os.fstat(file).st_size
        self._writeback = Writeback(file, self.size_bytes)

    def append(self, buffers: Sequence[bytes]) -> None:
        with translated(self._path):
            try:
                self.size_bytes += write_all(self._file, buffers, self.size_bytes)
            except OSError:
                os.ftruncate(self._file, self.size_bytes)
                raise
        self._writeback.grown_to(self.size_bytes)

    def read(self, offset: int, length: int) -> bytes:
        with translated(self._path):
            return os.pread(self._file, length, offset)

    def promote(self, path: str) -> None:
        with translated(self._path):
            os.utime(self._file)
            os.fsync(self._file)
            self._promote(self._path, path)

    def close(self) -> None:
        os.close(self._file)
        self._release(self._path)
