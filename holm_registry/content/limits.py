"""
How large things may be, and how many there may be of them.
"""

from __future__ import annotations

from attrs import frozen

from holm_registry.oci.errors import ManifestInvalid, SizeInvalid
from holm_registry.oci.manifest import Manifest
from holm_registry.oci.sizes import format_size
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import StorageUnavailable

from .quotas import Quotas


@frozen
class ContentLimits:
    """
    :ivar blob_bytes: The most that a blob may have; 0 for any.
    :ivar manifest_parts: The most blobs and manifests that a manifest may name; 0 for any.
    :ivar uploads: The most uploads in progress; 0 for any.
    :ivar free_bytes: How much of the disk to leave free: below that no upload begins.
    """

    blob_bytes: int = 0
    manifest_parts: int = 0
    uploads: int = 0
    free_bytes: int = 0


class UploadLimits:
    """What a store may be asked to take. Safe to use from several threads."""

    def __init__(self, driver: Driver, bounds: ContentLimits, quotas: Quotas) -> None:
        self._driver = driver
        self._bounds = bounds
        self._quotas = quotas

    @property
    def bounds(self) -> ContentLimits:
        """How large things may be, and how many."""
        return self._bounds

    def require_start(self, repository: str) -> None:
        """
        Make sure that an upload may begin.

        :raises Denied: The repository has no room for it, however small.
        :raises StorageUnavailable: The disk has none.
        """
        self._quotas.require(repository)
        self._require_free(0)

    def require_room(self, repository: str, held_bytes: int, more_bytes: int) -> None:
        """
        Make sure that an upload may go on.

        :param held_bytes: What it has so far, which its repository's quota counts already.
        :param more_bytes: What it is about to get.
        :raises SizeInvalid: It would be too large for a blob.
        :raises Denied: Its repository has no room for it.
        :raises StorageUnavailable: The disk has none.
        """
        self.require_growth(held_bytes, more_bytes)
        self._quotas.require(repository, more_bytes)

    def require_growth(self, held_bytes: int, more_bytes: int) -> None:
        """
        Make sure that an upload may take what has come: not every client says beforehand how much.

        :raises SizeInvalid: It would be too large for a blob.
        :raises StorageUnavailable: The disk has no room for it.
        """
        most = self._bounds.blob_bytes
        if most and held_bytes + more_bytes > most:
            raise SizeInvalid(f"a blob may have {format_size(most)} at the most", status=413)
        self._require_free(more_bytes)

    def require_manifest(self, manifest: Manifest) -> None:
        """
        Make sure that a manifest may name as much as it does.

        :raises ManifestInvalid: It may not.
        """
        parts = len(manifest.blobs) + len(manifest.manifests)
        most = self._bounds.manifest_parts
        if most and parts > most:
            raise ManifestInvalid(
                f"a manifest may name {most} blobs and manifests at the most, and not {parts}"
            )

    def _require_free(self, more_bytes: int) -> None:
        wanted = self._bounds.free_bytes
        if not wanted:
            return
        free = self._driver.free_bytes()
        if free is not None and free - more_bytes < wanted:
            raise StorageUnavailable(f"the disk is nearly full: {format_size(free)} are left")
