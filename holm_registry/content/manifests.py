from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from attrs import frozen

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    MultipleErrors,
)
from holm_registry.oci.manifest import Manifest, parse_manifest, parse_pushed_manifest
from holm_registry.storage import layout
from holm_registry.storage.driver import ObjectReader
from holm_registry.storage.errors import NotFound, StorageUnavailable
from holm_registry.storage.local_driver import LocalDriver

from . import gc_grace
from .blobs import Blobs
from .limits import UploadLimits
from .link_files import LinkFiles
from .locks import NamedLocks, alone
from .manifest_store import LargeManifest, ManifestDescription, ManifestStore, StoredManifest
from .quotas import Quotas
from .referenced import ReferencedContent
from .referrers import Referrers
from .repository_size import held_bytes
from .tags import Tags
from .validation import Validation


@frozen
class StoredPush:
    """What was stored: the manifest's name and media type, and whom it refers to."""

    digest: Digest
    media_type: str
    subject: Digest | None


class Manifests:
    """
    The manifests of repositories, with the rules for taking them in.

    Putting and deleting one manifest exclude each other, also in two servers of one volume, so that
    neither undoes half of the other.

    :see: OCI distribution-spec, "Pulling manifests", "Pushing Manifests".
    """

    def __init__(  # noqa: PLR0913 - it is where all nouns meet
        self,
        driver: LocalDriver,
        links: LinkFiles,
        *,
        blobs: Blobs,
        tags: Tags,
        payloads: ManifestStore,
        referrers: Referrers,
        validation: Validation,
        capacity: UploadLimits,
        quotas: Quotas,
    ) -> None:
        self._driver = driver
        self._links = links
        self._parts = ReferencedContent(driver, links, blobs, validation)
        self._tags = tags
        self._payloads = payloads
        self._referrers = referrers
        self._validation = validation
        self._capacity = capacity
        self._quotas = quotas
        self._locks = NamedLocks()

    def cached(self, repository: str, reference: Digest | str) -> StoredManifest | None:
        """Do as :meth:`get` if that takes no reading; None if it does, or there is no manifest."""
        try:
            digest = reference
            if isinstance(digest, str):
                found = self._tags.cached(repository, digest)
                if found is None:
                    return None
                digest = found
            link = layout.revision_link(repository, digest)
            content = gc_grace.resolve_cached(self._driver, self._links, link)
            payload = None if content is None else self._payloads.cached(content.target)
            if payload is None:
                return None
        except NotFound:
            return None
        return payload.named(digest)

    def get(
        self, repository: str, reference: Digest | str, most_bytes: int | None = None
    ) -> StoredManifest:
        """
        Return a manifest's bytes as they were pushed, and keep it from collection for a grace.

        :param most_bytes: The most to read; None for any.
        :raises ManifestUnknown: The repository does not hold it.
        :raises LargeManifest: It is larger than that.
        """
        digest = self._tags.get(repository, reference) if isinstance(reference, str) else reference
        try:
            found = self._find(repository, digest)
            size = found.stat.size_bytes
            if most_bytes is not None and size > most_bytes:
                known = self._payloads.peek_media_type(found.target)
                raise LargeManifest(digest, found.target, size, known)
            return self._payloads.get(found.target).named(digest)
        except NotFound:
            raise ManifestUnknown(detail={"reference": str(reference)}) from None

    def describe(self, large: LargeManifest) -> ManifestDescription:
        """
        Return what a large manifest is to be served as.

        :raises ManifestUnknown: It has gone meanwhile.
        """
        try:
            media_type = self._payloads.media_type(large.target)
        except NotFound:
            raise ManifestUnknown(detail={"reference": str(large.digest)}) from None
        return ManifestDescription(large.digest, media_type, large.size_bytes)

    def open(self, large: LargeManifest) -> ObjectReader:
        """
        Open a large manifest for reading.

        :raises ManifestUnknown: It has gone meanwhile.
        """
        try:
            return self._payloads.open(large.target)
        except NotFound:
            raise ManifestUnknown(detail={"reference": str(large.digest)}) from None

    def for_platform(
        self, repository: str, index: Digest, architecture: str, os: str
    ) -> Digest | None:
        """
        Return the child of an index for a platform; None if it has none.

        :raises ManifestUnknown: The index has gone meanwhile.
        """
        try:
            with self._payloads.looked_into(self._find(repository, index).target) as content:
                children = parse_manifest(content).manifests
        except NotFound:
            raise ManifestUnknown(detail={"reference": str(index)}) from None
        for digest, descriptor in children:
            platform = descriptor.platform
            if platform and (platform.architecture, platform.os) == (architecture, os):
                return digest
        return None

    def put(
        self,
        repository: str,
        reference: Digest | str,
        payload: bytes,
        *,
        content_type: str = "",
        tags: Sequence[str] = (),
    ) -> StoredPush:
        """
        Take in a manifest. Once this returns, a power cut loses nothing of it.

        :param reference: Its digest, or a tag to point at it.
        :param tags: More tags to point at it.
        :raises DigestInvalid: The bytes have another digest than ``reference``.
        :raises ManifestInvalid: It does not parse, contradicts itself or breaks a configured rule.
        :raises MultipleErrors: It names content that is not here, or of another size.
        :raises Denied: A tag has to stay where it is, and so do the others; or the repository has
            no room.
        :raises TooManyRequests: Another server of the volume is changing the same.
        """
        digest = _digest_of(payload, reference)
        manifest = parse_pushed_manifest(payload, content_type)
        self._validation.check(manifest)
        self._capacity.require_manifest(manifest)
        if isinstance(reference, str):
            tags = [reference, *tags]
        for tag in tags:
            self._tags.require_mutable(repository, tag, digest)
        with self._only_here(repository, digest):
            self._parts.require(repository, manifest)
            self._keep(repository, digest, payload, manifest.subject)
            self._confirm(repository, digest, manifest)
            self._point(repository, tags, digest, manifest)
        return StoredPush(digest, manifest.media_type, manifest.subject)

    def delete(self, repository: str, digest: Digest) -> None:
        """
        Take a manifest, and every tag that points at it, out of a repository.

        The tags go first, so that a crash in between leaves no tag that points at nothing; the link
        from its subject goes last, so that none leaves a referrer that is here and not listed.

        :raises ManifestUnknown: The repository does not hold it.
        """
        with self._only_here(repository, digest):
            try:
                target = self._links.read(layout.revision_link(repository, digest), digest)
            except NotFound:
                raise ManifestUnknown(detail={"reference": str(digest)}) from None
            except StorageUnavailable:
                # Its link cannot be read, and can be removed.
                target = digest
            self._tags.delete_pointing_at(repository, digest)
            subject = self._subject_of(target)
            with self._changing(repository, target, digest):
                self._driver.delete_folder(layout.revision(repository, digest))
            if subject is not None:
                self._referrers.unlink(repository, subject, digest)

    @contextmanager
    def _only_here(self, repository: str, digest: Digest) -> Iterator[None]:
        """Keep others who put or delete a manifest out, in this server and in others."""
        with (
            self._locks.hold(repository, digest),
            alone(self._driver, "manifests", [f"{repository}@{digest}"]),
        ):
            yield

    def _changing(
        self, repository: str, target: Digest, digest: Digest, adds: int = 0
    ) -> AbstractContextManager[None]:
        """Count a manifest that comes into a repository, or goes."""
        return self._quotas.changing(
            repository,
            target,
            lambda: held_bytes(self._driver, repository, target, digest),
            adds=adds,
        )

    def _keep(
        self, repository: str, digest: Digest, payload: bytes, subject: Digest | None
    ) -> None:
        """
        Store a manifest: first what it is found by when others are asked for, itself last.

        A link to a referrer that is not here is not listed, and goes with a collection.
        """
        with self._changing(repository, digest, digest, len(payload)):
            self._payloads.put(digest, payload)
            if subject is not None:
                self._referrers.link(repository, subject, digest)
            self._links.put(layout.revision_link(repository, digest), digest)

    def _confirm(self, repository: str, digest: Digest, manifest: Manifest) -> None:
        """
        Look once more whether everything is there, now that a collection can see what needs it.

        Only a push that stood still for longer than the grace can have lost anything.

        :raises MultipleErrors: It has; the client must push it again.
        """
        try:
            self._find(repository, digest)
        except NotFound:
            raise MultipleErrors([ManifestBlobUnknown(detail={"digest": str(digest)})]) from None
        self._parts.require(repository, manifest)

    def _point(
        self, repository: str, tags: Sequence[str], digest: Digest, manifest: Manifest
    ) -> None:
        """Point tags at a manifest; at what they pointed at before if that turns out to be lost."""
        before = self._tags.point(repository, tags, digest)
        try:
            self._confirm(repository, digest, manifest)
        except MultipleErrors:
            for tag, previous in before.items():
                self._tags.take_back(repository, tag, digest, previous)
            raise

    def _find(self, repository: str, digest: Digest) -> gc_grace.ResolvedBlob:
        return self._parts.find_manifest(repository, digest)

    def _subject_of(self, target: Digest) -> Digest | None:
        """Read a manifest's subject; what cannot be read refers to nothing."""
        try:
            with self._payloads.looked_into(target) as content:
                return parse_manifest(content).subject
        except (NotFound, StorageUnavailable, ManifestInvalid):
            return None


def _digest_of(payload: bytes, reference: Digest | str) -> Digest:
    if isinstance(reference, str):
        return Digest.of(payload)
    actual = Digest.of(payload, reference.algorithm)
    if actual != reference:
        raise DigestInvalid(detail={"digest": str(reference), "actual": str(actual)})
    return reference
