"""
The protocol of storage drivers.

An object store can honour every method here: write a small object whole, read a range, list by
prefix, promote a complete upload. :mod:`.collectable` adds what garbage collection needs, and
:mod:`.local_driver` what one host offers: locks, a volume that can be unmounted, renames.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from attrs import frozen

#: More than any manifest or link has, in bytes: what is read whole must not fill the memory.
MAX_SMALL_BYTES = 16 * 1024 * 1024


@frozen
class Stat:
    """
    The metadata of an object.

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
        """The size of the object."""

    def read(self, offset: int, length: int) -> bytes:
        """Read up to ``length`` bytes; fewer only at the end."""

    def fileno(self) -> int | None:
        """Return a file descriptor that ``sendfile`` can take, or None if there is none."""

    def close(self) -> None:
        """Close the object; reading afterwards is an error."""


class GrowingObject(Protocol):
    """An upload, opened for writing by one caller at a time."""

    @property
    def size_bytes(self) -> int:
        """The number of bytes appended so far."""

    def append(self, buffers: Sequence[bytes]) -> None:
        """
        Append all of the bytes, or none.

        :raises StorageUnavailable: They could not be written; earlier bytes are unchanged.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Read back up to ``length`` bytes; fewer only at the end."""

    def promote(self, path: str) -> None:
        """Make the upload the object at ``path``, atomically and durably, replacing any other."""

    def close(self) -> None:
        """Release the upload to other writers; appended bytes stay."""


class Driver(Protocol):
    """
    A store of objects. Paths are relative, with slashes; a folder is a prefix of paths.

    Any method may raise StorageUnavailable.
    """

    def stat(self, path: str) -> Stat:
        """
        Return the metadata of an object.

        :raises NotFound: There is no such object.
        """

    def read(self, path: str) -> bytes:
        """
        Read a small object whole.

        :raises NotFound: There is no such object.
        :raises StorageUnavailable: It is larger than ``MAX_SMALL_BYTES``.
        """

    def open(self, path: str) -> ObjectReader:
        """
        Open an object of any size.

        :raises NotFound: There is no such object.
        """

    def put(self, path: str, content: bytes) -> None:
        """
        Write a small object whole and durably.

        A reader sees the old content or the new, and never a new folder without the object.
        """

    def delete(self, path: str, *, durably: bool = True) -> None:
        """
        Remove an object.

        :param durably: Wait until a power cut cannot bring it back.
        :raises NotFound: There is no such object.
        """

    def delete_folder(self, path: str, *, durably: bool = True) -> None:
        """
        Remove all objects under a path at once; do nothing if there are none.

        :param durably: Wait until a power cut cannot bring it back.
        """

    def objects(self, path: str) -> Sequence[tuple[str, Stat]]:
        """List all objects under a path, at any depth, with their metadata."""

    def folders(self, path: str) -> Sequence[str]:
        """List the names of the folders directly under a path, sorted."""

    def create_upload(self, path: str, content: bytes = b"") -> None:
        """
        Create an upload at a path; leave an existing one unchanged.

        Not durable: it may be lost in a power cut.
        """

    def open_upload(self, path: str) -> GrowingObject:
        """
        Open an upload for writing.

        :raises NotFound: There is no such object.
        :raises UploadBusy: Another caller has it open.
        """

    def seconds(self) -> float:
        """Return the time by the clock that sets modification times, in seconds since the epoch."""

    def free_bytes(self) -> int | None:
        """Return the free space of the store; None where it is unknown."""
