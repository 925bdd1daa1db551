"""
What a manifest names, and whether it is here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice

from holm_registry.oci import media_types
from holm_registry.oci.descriptor import Descriptor
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import (
    BlobUnknown,
    ManifestBlobUnknown,
    MultipleErrors,
    RegistryError,
    SizeInvalid,
)
from holm_registry.oci.manifest import Manifest
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.errors import NotFound

from . import gc_grace
from .blobs import Blobs
from .link_files import LinkFiles
from .validation import Validation

#: How much of what is missing or wrong to tell of one manifest.
MAX_PROBLEMS = 100

#: Tells the size of something that is named; None if it is not here.
Look = Callable[[str, Digest, Descriptor], int | None]


class ReferencedContent:
    """
    The blobs and manifests that manifests name.

    Each is looked at once, however often a manifest names it: one has room for forty thousand.
    """

    def __init__(
        self, driver: Collectable, links: LinkFiles, blobs: Blobs, validation: Validation
    ) -> None:
        self._driver = driver
        self._links = links
        self._blobs = blobs
        self._validation = validation

    def require(self, repository: str, manifest: Manifest) -> None:
        """
        Make sure that all that a manifest names is in its repository, and keep it from collection.

        :raises MultipleErrors: Something is missing, or of another size.
        """
        found = chain(
            _problems(repository, manifest.blobs, self._part_bytes, _is_foreign),
            _problems(
                repository,
                manifest.manifests,
                self._child_bytes,
                lambda child: not self._validation.requires_child(child),
                "manifest unknown to registry",
            ),
        )
        if self._validation.disabled:
            # What need not be here is kept from collection all the same, where it is.
            deque(found, maxlen=0)
        elif problems := list(islice(found, MAX_PROBLEMS)):
            raise MultipleErrors(problems)

    def find_manifest(self, repository: str, digest: Digest) -> gc_grace.ResolvedBlob:
        """
        Find a manifest, and keep it from collection.

        :raises NotFound: The repository does not hold it.
        """
        link = layout.revision_link(repository, digest)
        return gc_grace.resolve(self._driver, self._links, link, digest)

    def _part_bytes(self, repository: str, digest: Digest, descriptor: Descriptor) -> int | None:
        """Return the size of a blob that an image names; what is called a manifest may be one."""
        if media_types.is_manifest(descriptor.media_type):
            with suppress(NotFound):
                return self.find_manifest(repository, digest).stat.size_bytes
        return self._blob_bytes(repository, digest)

    def _child_bytes(self, repository: str, digest: Digest, descriptor: Descriptor) -> int | None:
        """
        Return the size of an index's child: a manifest, or a blob if it is not called a manifest.

        A build cache is an index of layers and of a config, all of them blobs; registry:2 takes it.
        """
        try:
            return self.find_manifest(repository, digest).stat.size_bytes
        except NotFound:
            if media_types.is_manifest(descriptor.media_type):
                return None
        return self._blob_bytes(repository, digest)

    def _blob_bytes(self, repository: str, digest: Digest) -> int | None:
        try:
            return self._blobs.stat(repository, digest).size_bytes
        except BlobUnknown:
            return None


def _problems(
    repository: str,
    parts: Iterable[tuple[Digest, Descriptor]],
    look: Look,
    is_optional: Callable[[Descriptor], bool],
    unknown: str = "",
) -> Iterator[RegistryError]:
    """
    Tell of each part that is missing or of another size, once.

    :param is_optional: Tells whether a part may be missing.
    :param unknown: What to say of one that is missing; empty for what is said of blobs.
    """
    told: set[Digest] = set()
    look_once = _remembering(look)
    for digest, descriptor in parts:
        size = look_once(repository, digest, descriptor)
        if size == descriptor.size or digest in told or is_optional(descriptor):
            continue
        told.add(digest)
        if size is None:
            yield ManifestBlobUnknown(unknown, detail={"digest": str(digest)})
        else:
            yield _wrong_size(descriptor, size)


def _is_foreign(blob: Descriptor) -> bool:
    """Return whether a layer is to be had elsewhere."""
    return media_types.is_foreign_layer(blob.media_type) and bool(blob.urls)


def _remembering(look: Look) -> Look:
    """Look once at what is named several times as the same kind of thing."""
    known: dict[tuple[Digest, bool], int | None] = {}

    def look_once(repository: str, digest: Digest, descriptor: Descriptor) -> int | None:
        kind = digest, media_types.is_manifest(descriptor.media_type)
        if kind not in known:
            known[kind] = look(repository, digest, descriptor)
        return known[kind]

    return look_once


def _wrong_size(descriptor: Descriptor, actual: int) -> SizeInvalid:
    return SizeInvalid(
        detail={"digest": descriptor.digest, "size": descriptor.size, "actual": actual}
    )
