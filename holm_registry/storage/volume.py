"""
Noticing that another folder is where the store was: its volume is not mounted any more.

What is pushed into the folder below a mount point is lost sight of as soon as the volume is back.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress

from . import layout
from .errors import VolumeLost

#: How long what was looked at holds for reading what is there, in seconds.
_LOOK_SECONDS = 1.0

#: More than a mark has, in bytes.
_MAX_MARK_BYTES = 128

#: Where volumes may be mounted.
_PLACES = ("", layout.ROOT, layout.BLOBS, layout.REPOSITORIES)

_Place = tuple[int, int | None]


class Volume:
    """
    The volume on which a store was when it was opened.

    It is known by the devices of its folders and the number of the uppermost; where these have
    changed, as after it was mounted again, by a mark on it.

    :param root: The folder of the store.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._mark_path = f"{root}/{layout.MAINTENANCE}/volume"
        self._places = self._look()
        self._number = self._places[0] and self._places[0][1]
        self._held = self._holds()
        self._mark = self._read_mark()
        self._looked = time.monotonic()

    def mark(self) -> None:
        """Put a mark on it, if it holds anything, has no mark, and can be written to."""
        if self._mark or not self._held:
            return
        mark = uuid.uuid4().hex.encode()
        with suppress(OSError):
            os.makedirs(os.path.dirname(self._mark_path), exist_ok=True)
            with open(self._mark_path, "xb", buffering=0) as file:
                file.write(mark)
        self._mark = self._read_mark()
        self._places = self._look()

    def require(self) -> None:
        """
        Make sure that it is still there.

        :raises VolumeLost: It is not, or another one is.
        """
        places = self._look()
        if places != self._places and not self._is_the_same(places):
            raise VolumeLost("the volume is not mounted, or another one is")
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

    def _is_the_same(self, places: list[_Place | None]) -> bool:
        if not self._held:
            # Nothing was in it: it has just been mounted, perhaps.
            self._mark = self._read_mark()
            return True
        if self._mark:
            return self._read_mark() == self._mark and self._holds()
        # It could never be written to: the number of its folder stays when it is mounted again.
        return places[0] is not None and self._number == places[0][1] and self._holds()

    def _look(self) -> list[_Place | None]:
        """Give the device below each place, and the number of the uppermost folder."""
        found: list[_Place | None] = []
        for path in _PLACES:
            try:
                stat = os.stat(f"{self._root}/{path}")
            except OSError:
                found.append(found[-1] and (found[-1][0], None) if found else None)
            else:
                found.append((stat.st_dev, None if path else stat.st_ino))
        return found

    def _holds(self) -> bool:
        """Tell whether it holds anything."""
        return all(
            _is_filled(f"{self._root}/{each}") for each in (layout.BLOBS, layout.REPOSITORIES)
        )

    def _read_mark(self) -> bytes:
        try:
            with open(self._mark_path, "rb", buffering=0) as file:
                return file.read(_MAX_MARK_BYTES)
        except OSError:
            return b""


def _is_filled(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False
