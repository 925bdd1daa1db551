from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from attrs import evolve, frozen

from holm_registry.oci.digest import Digest
from holm_registry.oci.manifest import stored_media_type
from holm_registry.storage import layout
from holm_registry.storage.collectable import Collectable
from holm_registry.storage.driver import ObjectReader
from holm_registry.storage.errors import NotFound

from .gc_grace import touch_and_stat

#: What is larger than this, in bytes, is never remembered, and leaves from its file: what is in
#: memory may be handed to a connection whole.
LARGE_BYTES = 16 * 1024

#: How many bytes of manifests to remember.
MAX_REMEMBERED_BYTES = 8 * 1024 * 1024

#: Of how many large ones to remember the media type.
MAX_MEDIA_TYPES = 1024

#: What remembering one costs beside its bytes, roughly.
_OVERHEAD_BYTES = 1024


class LargeManifest(Exception):
    """
    A manifest is larger than its reader was ready for.

    :ivar digest: The name it was asked for by.
    :ivar target: The name of its bytes.
    :ivar size_bytes: How large it is.
    :ivar media_type: What it is to be served as; None if it has to be read for that.
    """

    def __init__(
        self, digest: Digest, target: Digest, size_bytes: int, media_type: str | None
    ) -> None:
        super().__init__(f"{digest}: {size_bytes} bytes")
        self.digest = digest
        self.target = target
        self.size_bytes = size_bytes
        self.media_type = media_type

    @property
    def described(self) -> ManifestDescription | None:
        """Return what is told of it beside its bytes; None if it has to be read for that."""
        if self.media_type is None:
            return None
        return ManifestDescription(self.digest, self.media_type, self.size_bytes)


@frozen
class ManifestDescription:
    """What is told of a manifest beside its bytes."""

    digest: Digest
    media_type: str
    size_bytes: int


@frozen
class StoredManifest:
    """A manifest as it was pushed."""

    digest: Digest
    media_type: str
    content: bytes

    @property
    def description(self) -> ManifestDescription:
        """Return what is told of it beside its bytes."""
        return ManifestDescription(self.digest, self.media_type, len(self.content))

    def named(self, digest: Digest) -> StoredManifest:
        """Return the same bytes under the name they were asked for by."""
        return self if digest == self.digest else evolve(self, digest=digest)


class ManifestStore:
    """The bytes of manifests, the latest used of which stay in memory: a digest never changes."""

    def __init__(self, driver: Collectable) -> None:
        self._driver = driver
        self._lock = Lock()
        self._known: OrderedDict[Digest, StoredManifest] = OrderedDict()
        self._count_bytes = 0
        self._media_types: OrderedDict[Digest, str] = OrderedDict()
        self._large = Lock()

    def cached(self, digest: Digest) -> StoredManifest | None:
        """Return a payload if it is in memory."""
        with self._lock:
            payload = self._known.get(digest)
            if payload is not None:
                self._known.move_to_end(digest)
            return payload

    def get(self, digest: Digest) -> StoredManifest:
        """
        Return a payload.

        :raises NotFound: The store does not have it.
        """
        payload = self.cached(digest)
        if payload is None:
            content = self._driver.read(layout.blob_data(digest))
            payload = StoredManifest(digest, stored_media_type(content), content)
            self._remember(payload)
        return payload

    @contextmanager
    def looked_into(self, digest: Digest) -> Iterator[bytes]:
        """
        Have a payload to look into, and not to keep.

        Large ones are there one at a time: how many threads look into them, for requests that bring
        no manifest and are sent none, is counted nowhere.

        :raises NotFound: The store does not have it.
        """
        if self._driver.stat(layout.blob_data(digest)).size_bytes <= LARGE_BYTES:
            yield self.get(digest).content
            return
        with self._large:
            yield self._driver.read(layout.blob_data(digest))

    def peek_media_type(self, digest: Digest) -> str | None:
        """Return what a large payload is to be served as, if that is in memory."""
        with self._lock:
            return self._media_types.get(digest)

    def media_type(self, digest: Digest) -> str:
        """
        Return what a payload is to be served as, also of one too large to remember.

        :raises NotFound: The store does not have it.
        """
        known = self.peek_media_type(digest)
        if known is None:
            with self.looked_into(digest) as content:
                known = stored_media_type(content)
            with self._lock:
                self._media_types[digest] = known
                if len(self._media_types) > MAX_MEDIA_TYPES:
                    self._media_types.popitem(last=False)
        return known

    def open(self, digest: Digest) -> ObjectReader:
        """
        Open a payload for reading.

        :raises NotFound: The store does not have it.
        """
        return self._driver.open(layout.blob_data(digest))

    def put(self, digest: Digest, content: bytes) -> None:
        """Store a payload durably, or refresh the one that is there."""
        path = layout.blob_data(digest)
        try:
            if touch_and_stat(self._driver, path).size_bytes == len(content):
                return
        except NotFound:
            pass
        self._driver.put(path, content)

    def _remember(self, payload: StoredManifest) -> None:
        if len(payload.content) > LARGE_BYTES:
            return
        with self._lock:
            if payload.digest not in self._known:
                self._known[payload.digest] = payload
                self._count_bytes += _cost(payload)
            while self._count_bytes > MAX_REMEMBERED_BYTES:
                _, oldest = self._known.popitem(last=False)
                self._count_bytes -= _cost(oldest)


def _cost(payload: StoredManifest) -> int:
    return len(payload.content) + _OVERHEAD_BYTES
