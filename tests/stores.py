"""A registry with time under control, and what may be in its store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from holm_registry.content.registry import Registry
from holm_registry.gc.collection import Collection, CollectionOptions
from holm_registry.oci.digest import Digest
from holm_registry.oci.manifest import parse_manifest
from holm_registry.oci.references import references_in
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver

from .images import descriptor, image

#: An image with a tag, one without, and what refers to that one.
KEPT = image(b"c", [b"kept"])
LOOSE = image(b"c", [b"loose"])
SIGNATURE = image(b"c", [b"s"], subject=descriptor(LOOSE, "a/b"))

#: Longer than any slack.
LONG = 100.0


class Aging(MemoryDriver):
    """A store whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()
        super().__init__(lambda: self.now)

    def age(self, seconds: float = LONG) -> None:
        for found in self._objects.values():
            found.modified -= seconds


class AgingFiles(FilesystemDriver):
    """Files that can be made older."""

    def age(self, seconds: float = LONG) -> None:
        for path, stat in self.objects(layout.ROOT):
            then = stat.modified - seconds
            os.utime(self._full(path), (then, then))


def age(root: str) -> None:
    """Make every file in a folder as old as can be."""
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                os.utime(path, (0, 0))


def push_blob(registry: Registry, repository: str, content: bytes, algorithm="sha256") -> Digest:
    """Push a blob as a client would."""
    digest = Digest.of(content, algorithm)
    session = registry.uploads.open(repository, registry.uploads.start(repository))
    session.append([content])
    session.commit(digest)
    session.close()
    return digest


def push(registry: Registry, repository: str, reference, payload: bytes, *blobs: bytes) -> Digest:
    """Push a manifest after its blobs."""
    for content in blobs:
        push_blob(registry, repository, content)
    return registry.manifests.put(repository, reference or Digest.of(payload), payload).digest


def fill(registry: Registry) -> None:
    """Push the three images above to repository ``a``, and a blob that nothing names."""
    push(registry, "a", "v1", KEPT, b"c", b"kept", b"garbage")
    push(registry, "a", None, LOOSE, b"loose")
    push(registry, "a", None, SIGNATURE, b"s")


def pull(registry: Registry, repository: str, reference) -> None:
    """Pull all of an image, or of every image of an index."""
    payload = registry.manifests.get(repository, reference)
    manifest = parse_manifest(payload.content)
    for digest, named in manifest.blobs:
        reader = registry.blobs.open(repository, digest)
        content = reader.read(0, named.size + 1)
        reader.close()
        assert Digest.of(content, digest.algorithm) == digest
    for digest, _ in manifest.manifests:
        pull(registry, repository, digest)


def collect(driver, **options):
    """Collect, with no grace unless one is given."""
    lines: list[str] = []
    plan = CollectionOptions(**{"grace_seconds": 0.0, **options})
    result = Collection(driver, plan, lines.append).run()
    return result, lines


def blobs_in(driver) -> set[str]:
    """Give the digest of each blob in a store."""
    found = set()
    for path, _ in driver.objects(layout.BLOBS):
        algorithm, _, encoded, name = path.removeprefix(f"{layout.BLOBS}/").split("/")
        assert name == "data"
        found.add(f"{algorithm}:{encoded}")
    return found


def names(payloads: Iterable[bytes]) -> set[str]:
    """Give the digests of manifests and of the blobs they name."""
    found = set()
    for payload in payloads:
        found.add(str(Digest.of(payload)))
        found |= {str(digest) for digest in references_in(payload).blobs}
    return found
