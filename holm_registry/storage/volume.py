"""
Noticing that another folder is where the store was: its volume is not mounted any more.

What is pushed into the folder below a mount point is lost sight of as soon as the volume is back;
and where ``repositories`` alone is not mounted, every blob looks like garbage. So a store gets a
mark, in three copies: one in each folder that may be a volume of its own, and one that is written
last. A folder without its copy, where that last one is, is not the folder that was marked.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from contextlib import suppress

from holm_registry.file_lock import Busy, open_locked
from holm_registry.oci.names import is_component
from holm_registry.regular_file import open_regular

from . import layout
from .durable import sync_folder
from .errors import VolumeLost

#: How long what was looked at holds for reading, in seconds.
_LOOK_SECONDS = 1.0

#: How long to wait for another server that is marking the same volume.
_WAIT_SECONDS = 5.0

#: One without a line feed is no mark: it was not written to its end, or when no part was marked.
_MARK = re.compile(rb"[0-9a-f]{32}\n")

#: The folders that hold everything, each with a mark of its own.
_PARTS = (layout.BLOBS, layout.REPOSITORIES)

#: Where volumes may be mounted.
_PLACES = ("", layout.ROOT, *_PARTS)

#: A device, and the number of a folder on it; None for a folder that is missing.
_Place = tuple[int, int | None]


class Volume:
    """
    The volume on which a store was when it was opened, or the volumes.

    Where a device or a folder has changed, as after it was mounted again, it is known by its marks;
    one that could never be marked, by the number of its uppermost folder.

    :param root: The folder of the store.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._places: list[_Place | None] | None = None
        self._number = self._look()[0]
        self._held = self._holds()
        self._mark = self._read(layout.VOLUME)
        self._looked = -_LOOK_SECONDS

    def mark(self) -> None:
        """Put marks on it if it holds anything, has none, and can be written to."""
        with suppress(VolumeLost):
            self.require()
            if not self._mark and self._held:
                with suppress(OSError, Busy):
                    self._put_marks()
                self._mark = self._read(layout.VOLUME)

    def has_marked(self, part: str) -> bool:
        """Return whether it is certain that a folder is the one that belongs to the store."""
        return bool(self._mark) and self._read(f"{part}/{layout.PART_MARK}") == self._mark

    def require(self) -> None:
        """
        Make sure that it is still there.

        :raises VolumeLost: It is not, or another one is.
        """
        places = self._look()
        if places != self._places:
            self._require_the_same(places)
        self._places = places
        self._held = self._held or self._holds()
        self._looked = time.monotonic()

    def require_lately(self) -> None:
        """
        Make sure that it was there a moment ago.

        :raises VolumeLost: It was not.
        """
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self.require()

    def _require_the_same(self, places: list[_Place | None]) -> None:
        if not self._mark and self._held:
            self._require_the_number(places[0])
            return
        if not self._mark:
            # Nothing was in it: it has just been mounted, perhaps.
            self._number = places[0]
            self._mark = self._read(layout.VOLUME)
        if self._mark:
            self._require_marks()

    def _require_the_number(self, found: _Place | None) -> None:
        """Make sure of a volume without a mark: its number stays when it is mounted again."""
        if found is None or self._number is None or self._number[1] != found[1]:
            raise VolumeLost("the volume is not mounted, or another one is")
        if not self._holds():
            raise VolumeLost("the volume is not mounted, or all in it was removed")

    def _require_marks(self) -> None:
        if self._read(layout.VOLUME) != self._mark:
            raise VolumeLost("the volume is not mounted, or another one is")
        for part in _PARTS:
            if not self.has_marked(part):
                raise VolumeLost(
                    f"{part}: the volume is not mounted, or another one is; "
                    f"if nothing is missing, remove {layout.VOLUME} and start again"
                )

    def _put_marks(self) -> None:
        full = f"{self._root}/{layout.VOLUME}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        file = open_locked(full, os.O_RDWR | os.O_CREAT, wait_seconds=_WAIT_SECONDS)
        try:
            if self._read(layout.VOLUME):
                return
            mark = uuid.uuid4().hex.encode() + b"\n"
            for part in _PARTS:
                self._put_mark(f"{part}/{layout.PART_MARK}", mark)
            _write(file, full, mark)
        finally:
            os.close(file)

    def _look(self) -> list[_Place | None]:
        """Return the device and the number of each place; of one that is missing, what is above."""
        found: list[_Place | None] = []
        for path in _PLACES:
            try:
                stat = os.stat(f"{self._root}/{path}")
            except OSError:
                found.append(found[-1] and (found[-1][0], None) if found else None)
            else:
                found.append((stat.st_dev, stat.st_ino))
        return found

    def _holds(self) -> bool:
        """Return whether it holds anything of ours."""
        return all(_is_filled(f"{self._root}/{part}") for part in _PARTS)

    def _put_mark(self, path: str, mark: bytes) -> None:
        full = f"{self._root}/{path}"
        file = open_locked(full, os.O_RDWR | os.O_CREAT)
        try:
            _write(file, full, mark)
        finally:
            os.close(file)

    def _read(self, path: str) -> bytes:
        """Read a mark; nothing if there is none, or one that was never written to its end."""
        try:
            file = open_regular(f"{self._root}/{path}")
        except OSError:
            return b""
        try:
            found = os.read(file, 64)
        except OSError:
            return b""
        finally:
            os.close(file)
        return found if _MARK.fullmatch(found) else b""


def _write(file: int, full: str, mark: bytes) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, mark, 0)
    os.fsync(file)
    sync_folder(os.path.dirname(full))


def _is_filled(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(is_component(entry.name) for entry in entries)
    except OSError:
        return False
