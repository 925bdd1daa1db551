"""
The driver of a store on one host, and what it offers beyond an object store.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from .collectable import Collectable


class LockProvider(Protocol):
    """Named locks that exclude other threads and other processes."""

    def lock(
        self, name: str, wait_seconds: float = 0.0, *, traceless: bool = False
    ) -> AbstractContextManager[None]:
        """
        Hold the lock of this name, exclusively among threads and processes.

        :param wait_seconds: How long to wait for the current holder.
        :param traceless: Leave no file behind: for locks that are taken often and held briefly.
        :raises AlreadyLocked: The lock is still held after that time.
        """


class MountedVolume(Protocol):
    """A store on a volume that can be unmounted, which must not pass for an empty store."""

    def require(self) -> None:
        """
        Check that the volume is mounted, for callers that keep files of their own on it.

        :raises VolumeLost: The volume is not mounted.
        """

    def mark(self) -> None:
        """Mark a volume that holds content, so that it is recognised when it is mounted again."""

    def is_emptied(self, path: str) -> bool:
        """
        Return whether an empty part of the store is known to be empty.

        If not, the volume that belongs there may not be mounted.

        :param path: ``layout.BLOBS`` or ``layout.REPOSITORIES``.
        """


class LocalDriver(Collectable, LockProvider, MountedVolume, Protocol):
    """The driver of a store on this host: what servers and commands open."""

    def move(self, path: str, target: str) -> None:
        """
        Move an object durably, keeping its times, to a path that holds none.

        :raises NotFound: There is no such object.
        """
