"""
What the rules ask of a store.

Every verb here is one that an object store can honour too (put a small object whole, read a range,
list by prefix, an upload that grows and is promoted when complete). Renames, fsync and directories
stay inside the driver for files.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from attrs import frozen

#: More than any manifest or link has, in bytes: what is read whole must not fill the memory.
MAX_SMALL_BYTES = 16 * 1024 * 1024


@frozen
class Stat:
    """
    What is known of an object without reading it.

    :ivar modified: When it was last written or refreshed, in seconds since the epoch.
    :ivar version: Differs whenever the content differs; None where the store cannot promise that
        yet, because the object changed so recently that a second change might look the same.
    """

    size_bytes: int
    modified: float
    version: Hashable | None


class ObjectReader(Protocol):
    """An object opened for reading; the bytes stay readable even if it is deleted meanwhile."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it has."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to ``length`` bytes; fewer only at the end."""

    def fileno(self) -> int | None:
        """Return a file descriptor that ``sendfile`` can take, or None if there is none."""

    def close(self) -> None:
        """Let go of it; reading afterwards is an error."""


class GrowingObject(Protocol):
    """A growing object that one caller at a time may write."""

    @property
    def size_bytes(self) -> int:
        """How many bytes it holds."""

    def append(self, buffers: Sequence[bytes]) -> None:
        """
        Add bytes at its end: all of them, or none.

        :raises StorageUnavailable: They could not be written; what was there before still is.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Read back up to ``length`` bytes; fewer only at the end."""

    def promote(self, path: str) -> None:
        """Make it, durably, the object at ``path``, in one step and in place of any other."""

    def close(self) -> None:
        """Let others write to it; what was appended stays."""


class Driver(Protocol):
    """A store. Paths are relative, with slashes. Any verb may raise StorageUnavailable."""

    def stat(self, path: str) -> Stat:
        """
        Look at an object.

        :raises NotFound: There is none.
        """

    def read(self, path: str) -> bytes:
        """
        Read a small object whole.

        :raises NotFound: There is none.
        :raises StorageUnavailable: It is larger than anything small may be: damaged, or no such.
        """

    def open(self, path: str) -> ObjectReader:
        """
        Open an object of any size.

        :raises NotFound: There is none.
        """

    def put(self, path: str, content: bytes) -> None:
        """
        Write a small object whole and durably.

        A reader sees the old or the new and no mixture, and no new folder without the object in it.
        """

    def refresh(self, path: str) -> None:
        """
        Set an object's modification time to now.

        :raises NotFound: There is none.
        """

    def delete(self, path: str, *, durably: bool = True) -> None:
        """
        Remove an object.

        :param durably: Wait until a power cut cannot bring it back.
        :raises NotFound: There is none.
        """

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        """
        Remove all that lies under a path, at once; fine if there is nothing.

        :param durably: Wait until a power cut cannot bring it back.
        """

    def sweep(self, path: str, spare: Callable[[Stat], bool]) -> bool:
        """
        Remove an object that has its folder to itself, unless it turns out to be needed.

        It is taken out of sight first. A request that needs it then has it restored, and it stays.

        :param spare: Asked while it is out of sight, with how it is then: whether it is to stay.
        :return: Whether it is gone; also if only an empty folder was there.
        """

    def sync(self) -> None:
        """Make durable all that was swept so far."""

    def prune(self, path: str) -> bool:
        """Remove the folders at and under a path that hold no object; tell if all are gone."""

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        """List all objects under a path, at any depth, with what is known of each."""

    def move(self, path: str, target: str) -> None:
        """
        Move an object durably, with its times, to where there is none.

        :raises NotFound: There is none to move.
        """

    def require(self) -> None:
        """
        Make sure that the store is there, for callers that keep files of their own in it.

        :raises VolumeLost: Its volume is not mounted.
        """

    def mark(self) -> None:
        """Have the store known again when its volume is mounted anew, once it holds anything."""

    def is_emptied(self, path: str) -> bool:
        """
        Tell of a part of the store that holds nothing whether all that it held was removed.

        Else it may be that the volume that belongs there is not mounted.

        :param path: ``layout.BLOBS`` or ``layout.REPOSITORIES``.
        """

    def seconds(self) -> float:
        """Return the time by the clock that sets modification times, in seconds since the epoch."""

    def free_bytes(self) -> int | None:
        """Return how much more fits into the store; None if that is not known."""

    def lock(
        self, name: str, wait_seconds: float = 0.0, *, traceless: bool = False
    ) -> AbstractContextManager[None]:
        """
        Keep out all others, of any process, that want the lock of this name.

        :param wait_seconds: How long to wait for another holder.
        :param traceless: Leave nothing behind: for locks that are held often, and briefly.
        :raises AlreadyLocked: Another holder has it, and had it for as long.
        """

    def folders(self, path: str) -> Sequence[str]:
        """Name the folders directly under a path, sorted; empty if there are none."""

    def create_upload(self, path: str, content: bytes = b"") -> None:
        """
        Begin an upload at a path; one that is there stays as it is.

        Not durable: it may be lost in a power cut.
        """

    def open_upload(self, path: str) -> GrowingObject:
        """
        Take an upload for writing.

        :raises NotFound: There is none.
        :raises UploadBusy: Another request has taken it.
        """
