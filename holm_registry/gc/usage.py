"""
How much a store holds, who holds it, and what a collection would free.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define
from msgspec import Struct, field

from holm_registry.oci.digest import Digest
from holm_registry.oci.names import is_session_id
from holm_registry.storage import layout
from holm_registry.storage.errors import NotFound, StorageUnavailable
from holm_registry.storage.local_driver import LocalDriver

from .collection import CollectionOptions
from .inventory import (
    NO_REPOSITORIES,
    blobs,
    is_without_repositories,
    layer_target,
    read_contents,
    repositories,
)
from .marking import Marking
from .sweep import Sweep

#: Who holds a blob that more than one repository holds.
_SEVERAL = -1


class RepositoryUsage(Struct):
    """
    What one repository holds, each blob counted once.

    :ivar bytes: All of it: manifests, configs, layers.
    :ivar bytes_alone: What no other repository holds.
    :ivar bytes_freeable: What of that a collection would remove.
    """

    name: str
    tags: int = 0
    manifests: int = 0
    bytes: int = 0
    bytes_alone: int = 0
    bytes_freeable: int = 0


class TotalUsage(Struct):
    """What the whole store holds, each blob counted once."""

    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    bytes_freeable: int = 0
    uploads: int = 0
    upload_bytes: int = 0


class StoreUsage(Struct):
    """The figures of a store, and what of it could not be read."""

    repositories: list[RepositoryUsage]
    total: TotalUsage
    problems: list[str] = field(default_factory=list)


@define
class _Inventory:
    """Who holds what, and what is needed."""

    usages: list[RepositoryUsage] = Factory(list)
    held: list[set[Digest]] = Factory(list)
    holders: dict[Digest, int] = Factory(dict)
    needed: set[Digest] = Factory(set)
    problems: list[str] = Factory(list)
    is_complete: bool = True

    def doubt(self, where: str, problem: StorageUnavailable) -> None:
        """Note what cannot be listed, and so might hold anything."""
        self.is_complete = False
        self.problems.append(f"{where}: {problem}")

    def add(self, usage: RepositoryUsage, held: set[Digest], needed: set[Digest]) -> None:
        """Note what a repository holds, and what of it is needed."""
        number = len(self.usages)
        self.usages.append(usage)
        self.held.append(held)
        self.needed |= needed
        for digest in held:
            self.holders[digest] = _SEVERAL if digest in self.holders else number


def measure(
    driver: LocalDriver,
    plan: CollectionOptions,
    progress: Callable[[str, int, int], None] | None = None,
) -> StoreUsage:
    """
    Measure a store.

    :param plan: The collection whose gain is to be told.
    """
    sweep = Sweep.begin(driver, plan.grace_seconds)
    marking = Marking(driver, sweep, untagged=plan.untagged)
    census = _Inventory()
    total = TotalUsage()
    names = sorted(repositories(driver, census.doubt))
    if not names and is_without_repositories(driver):
        census.is_complete = False
        census.problems.append(f"{layout.REPOSITORIES}: {NO_REPOSITORIES}")
    for count, name in enumerate(names):
        if progress is not None:
            progress("reading", count, len(names))
        try:
            _count(driver, marking, census, name)
        except StorageUnavailable as problem:
            census.doubt(name, problem)
        try:
            _count_uploads(driver, total, name)
        except StorageUnavailable as problem:
            census.problems.append(f"{layout.uploads(name)}: {problem}")
    sizes, idle = _weigh(driver, census, sweep, total)
    for usage, held in zip(census.usages, census.held, strict=True):
        alone = [digest for digest in held if census.holders[digest] != _SEVERAL]
        usage.bytes = sum(sizes.get(digest, 0) for digest in held)
        usage.bytes_alone = sum(sizes.get(digest, 0) for digest in alone)
        usage.bytes_freeable = sum(sizes[digest] for digest in alone if digest in idle)
        total.repositories += 1
        total.tags += usage.tags
        total.manifests += usage.manifests
    return StoreUsage(census.usages, total, census.problems)


def _count(driver: LocalDriver, marking: Marking, census: _Inventory, name: str) -> None:
    contents = read_contents(driver, name)
    marked = marking.mark(contents)
    held = {*contents.revisions.values(), *contents.layers}
    held |= {layer_target(driver, contents, digest) for digest in contents.layers}
    census.problems += contents.problems
    if held or contents.tags:
        usage = RepositoryUsage(name, len(contents.tags), len(contents.revisions))
        census.add(usage, held, marked.blobs)


def _count_uploads(driver: LocalDriver, total: TotalUsage, name: str) -> None:
    for session_id in filter(is_session_id, driver.folders(layout.uploads(name))):
        total.uploads += 1
        files = driver.objects(layout.upload(name, session_id))
        total.upload_bytes += sum(stat.size_bytes for _, stat in files)


def _weigh(
    driver: LocalDriver, census: _Inventory, sweep: Sweep, total: TotalUsage
) -> tuple[dict[Digest, int], set[Digest]]:
    """Return the size of each blob, and those that a collection would remove."""
    sizes: dict[Digest, int] = {}
    idle: set[Digest] = set()
    for digest in blobs(driver, census.doubt):
        try:
            stat = driver.stat(layout.blob_data(digest))
        except NotFound:
            continue
        except StorageUnavailable as problem:
            census.problems.append(f"blob {digest}: {problem}")
            continue
        sizes[digest] = stat.size_bytes
        total.blobs += 1
        total.bytes += stat.size_bytes
        if census.is_complete and digest not in census.needed and stat.modified < sweep.cutoff:
            idle.add(digest)
            total.bytes_freeable += stat.size_bytes
    return sizes, idle
