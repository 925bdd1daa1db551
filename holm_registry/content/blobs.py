from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from attrs import frozen

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUnknown
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.driver import ObjectReader
from holm_registry.storage.errors import NotFound, StorageUnavailable

from . import gc_grace
from .gc_grace import touch_and_stat
from .link_files import LinkFiles
from .quotas import Quotas
from .repository_size import held_bytes


@frozen
class BlobStat:
    """
    A blob of a repository.

    :ivar digest: The name it was asked for by.
    :ivar path: Where its bytes lie, which registry:2 may have filed under another digest.
    """

    digest: Digest
    size_bytes: int
    path: str


class Blobs:
    """
    The blobs of repositories: one copy of the bytes for all, a link in each repository.

    :see: OCI distribution-spec, "Pulling blobs", "Mounting a blob from another repository".
    """

    def __init__(self, driver: Collectable, links: LinkFiles, quotas: Quotas) -> None:
        self._driver = driver
        self._links = links
        self._quotas = quotas

    def cached(self, repository: str, digest: Digest) -> BlobStat | None:
        """Do as :meth:`stat` if that takes no reading; None if it does, or there is no blob."""
        try:
            found = gc_grace.resolve_cached(
                self._driver, self._links, layout.layer_link(repository, digest)
            )
            return None if found is None else _described(digest, found)
        except NotFound:
            return None

    def stat(self, repository: str, digest: Digest) -> BlobStat:
        """
        Look at a blob, and keep it from collection for a grace.

        :raises BlobUnknown: The repository does not hold it.
        """
        try:
            link = layout.layer_link(repository, digest)
            return _described(digest, gc_grace.resolve(self._driver, self._links, link, digest))
        except NotFound:
            raise BlobUnknown(detail={"digest": str(digest)}) from None

    def open(self, repository: str, digest: Digest) -> ObjectReader:
        """
        Open a blob for reading.

        :raises BlobUnknown: The repository does not hold it.
        """
        try:
            return self._driver.open(layout.blob_data(self._target(repository, digest)))
        except NotFound:
            raise BlobUnknown(detail={"digest": str(digest)}) from None

    def mount(self, repository: str, digest: Digest, source: str | None) -> int:
        """
        Make a blob that is already here part of a repository.

        :param source: The repository it is known to be in, or None for wherever it is.
        :return: Its size, in bytes.
        :raises BlobUnknown: It is not there.
        :raises Denied: The repository has no room for it.
        """
        try:
            target = digest if source is None else self._target(source, digest)
            stat = touch_and_stat(self._driver, layout.blob_data(target))
        except NotFound:
            raise BlobUnknown(detail={"digest": str(digest)}) from None
        with self.taking(repository, digest, stat.size_bytes, target=target):
            self.link(repository, digest, target)
        return stat.size_bytes

    def link(self, repository: str, digest: Digest, target: Digest) -> None:
        """Make a blob part of a repository, durably."""
        self._links.put(layout.layer_link(repository, digest), target)

    def taking(
        self,
        repository: str,
        digest: Digest,
        size_bytes: int,
        *,
        target: Digest | None = None,
        session: str = "",
    ) -> AbstractContextManager[None]:
        """
        Count a blob that a repository takes in, unless that fails, or it has it.

        :param target: Where its bytes lie, if elsewhere than its digest says.
        :param session: The upload session that its bytes come from.
        :raises Denied: It has no room for it.
        """
        at = target or digest
        return self._quotas.changing(
            repository,
            at,
            lambda: held_bytes(self._driver, repository, at, digest),
            adds=size_bytes,
            session=session,
        )

    def delete(self, repository: str, digest: Digest) -> None:
        """
        Take a blob out of a repository; its bytes stay until they are collected.

        :raises BlobUnknown: The repository does not hold it.
        """
        try:
            with self._leaving(repository, digest):
                self._driver.delete(layout.layer_link(repository, digest))
        except NotFound:
            raise BlobUnknown(detail={"digest": str(digest)}) from None
        except StorageUnavailable:
            # Where its link should be is something else, which is no file.
            self._driver.delete_folder(layout.layer(repository, digest))

    def _leaving(self, repository: str, digest: Digest) -> AbstractContextManager[None]:
        """Count a blob out that is deleted."""
        if not self._quotas.covers(repository):
            return nullcontext()
        target = self._target(repository, digest)
        return self._quotas.changing(
            repository, target, lambda: held_bytes(self._driver, repository, target, digest)
        )

    def _target(self, repository: str, digest: Digest) -> Digest:
        return self._links.read(layout.layer_link(repository, digest), digest)


def _described(digest: Digest, found: gc_grace.ResolvedBlob) -> BlobStat:
    return BlobStat(digest, found.stat.size_bytes, layout.blob_data(found.target))
