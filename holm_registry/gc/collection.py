"""
A garbage collection from beginning to end. How it is safe while others push: :mod:`.sweep`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from attrs import frozen
from msgspec import Struct, field

from holm_registry.oci.digest import ALGORITHMS, Digest
from holm_registry.storage import layout
from holm_registry.storage.errors import NotFound, StorageUnavailable, VolumeLost
from holm_registry.storage.local_driver import LocalDriver

from .inventory import (
    NO_REPOSITORIES,
    blobs,
    digests_in,
    is_without_repositories,
    read_contents,
    repositories,
)
from .marking import Marked, Marking
from .sweep import Sweep
from .uploads import UploadPurge

#: Files on their way to their place are younger than this; others were left by a crash.
_STAGED = re.compile(r"[a-z0-9]+")
_STAGING_SECONDS = 3600.0

#: The lock that keeps two collections apart.
LOCK = "collection"


@frozen
class CollectionOptions:
    """
    What a collection is to do.

    :ivar grace_seconds: What is younger stays.
    :ivar untagged: Whether manifests go that no tag leads to.
    :ivar upload_age_seconds: When an upload is abandoned; None to leave them all.
    :ivar dry_run: Whether to look only.
    :ivar emptied: Whether it is known that all repositories were removed, where none is there.
    """

    grace_seconds: float = 3600.0
    untagged: bool = False
    upload_age_seconds: float | None = 168 * 3600.0
    dry_run: bool = False
    emptied: bool = False


class CollectionResult(Struct):
    """
    What a collection found, and did. In a dry run: what it would do.

    :ivar bytes: What was freed.
    :ivar problems: What is damaged, a line each; nothing that it might need was removed.
    """

    dry_run: bool = False
    repositories: int = 0
    marked: int = 0
    manifests: int = 0
    layer_links: int = 0
    referrer_links: int = 0
    blobs: int = 0
    uploads: int = 0
    empty_repositories: int = 0
    bytes: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def _tell_nobody(_: str) -> None:
    pass


def _show_nobody(_what: str, _done: int, _total: int) -> None:
    pass


class Collection:
    """
    One run over a store.

    :param tell: Gets a line for each thing that is marked or goes, as registry:2 prints them.
    :param progress: Gets what is being done, how much of it is done, and how much there is (0
        where that is not known).
    """

    def __init__(
        self,
        driver: LocalDriver,
        plan: CollectionOptions,
        tell: Callable[[str], None] = _tell_nobody,
        progress: Callable[[str, int, int], None] = _show_nobody,
    ) -> None:
        self._driver = driver
        self._plan = plan
        self._tell = tell
        self._progress = progress
        self._needed: set[Digest] = set()
        self._marked: list[Marked] = []
        self._is_complete = True
        self.result = CollectionResult(dry_run=plan.dry_run)

    def run(self) -> CollectionResult:
        """
        Collect.

        :raises AlreadyLocked: Another collection is running.
        :raises VolumeLost: What holds the repositories, or all, is perhaps not mounted.
        """
        started = time.monotonic()
        if self._plan.dry_run:
            self._run()
        else:
            with self._driver.lock(LOCK):
                self._run()
        self.result.seconds = round(time.monotonic() - started, 3)
        return self.result

    def _run(self) -> None:
        self._sweep = Sweep.begin(self._driver, self._plan.grace_seconds)
        self._marking = Marking(self._driver, self._sweep, untagged=self._plan.untagged)
        names = list(repositories(self._driver, self._doubt))
        self._require_repositories(names)
        for count, name in enumerate(names):
            self._progress("marking", count, len(names))
            self._mark(name)
        idle = self._idle_blobs()
        self._tell("")
        self.result.marked = len(self._needed)
        manifests = sum(len(marked.idle_manifests) for marked in self._marked)
        self._tell(
            f"{len(self._needed)} blobs marked, {len(idle)} blobs and {manifests} manifests "
            "eligible for deletion"
        )
        for count, marked in enumerate(self._marked):
            self._progress("sweeping links", count, len(self._marked))
            self._sweep_repository(marked)
        self._settle()
        self._sweep_blobs(idle)
        self._purge_uploads(names)
        self._sweep_staging()
        self._settle()

    def _require_repositories(self, names: list[str]) -> None:
        """Make sure that there are none only where all were removed: all blobs are garbage then."""
        if names:
            # What is empty after this was emptied by it.
            if not self._plan.dry_run:
                self._driver.mark()
        elif self._is_complete and not self._plan.emptied and is_without_repositories(self._driver):
            raise VolumeLost(
                f"{layout.REPOSITORIES}: {NO_REPOSITORIES}; nothing was removed. "
                "If they were: registry garbage-collect --without-repositories"
            )

    def _mark(self, name: str) -> None:
        self._tell(name)
        try:
            marked = self._marking.mark(read_contents(self._driver, name))
        except StorageUnavailable as problem:
            self._doubt(name, problem)
            return
        self.result.repositories += 1
        self._needed |= marked.blobs
        self._tell_marked(marked)
        if not marked.contents.is_certain:
            marked.contents.problems.append(f"{name}: everything in this repository stays")
        self.result.problems += marked.contents.problems
        if not marked.idle_manifests:
            # Nothing here can turn out to be needed after all; of many images it is much.
            marked.contents.named.clear()
            marked.blobs.clear()
        self._marked.append(marked)

    def _doubt(self, where: str, problem: StorageUnavailable) -> None:
        """Note what cannot be listed, and so might hold links to anything."""
        self._is_complete = False
        self.result.problems.append(f"{where}: {problem}; no blob of the store is removed")

    def _tell_marked(self, marked: Marked) -> None:
        contents = marked.contents
        for digest in marked.idle_manifests:
            self._tell(f"manifest eligible for deletion: {digest}")
        for digest in contents.revisions:
            if digest not in marked.kept:
                continue
            self._tell(f"{marked.name}: marking manifest {digest} ")
            named = contents.named.get(digest)
            for part in () if named is None else (*named.manifests, *named.blobs):
                self._tell(f"{marked.name}: marking blob {part}")
        for digest in marked.idle_layers:
            self._tell(f"{marked.name}: layer link eligible for deletion: {digest}")

    def _idle_blobs(self) -> list[tuple[Digest, int]]:
        """Find the blobs that nothing needs and that are old enough, with their sizes."""
        if not self._is_complete:
            return []
        found = []
        for digest in blobs(self._driver, self._pass_over):
            if digest in self._needed:
                continue
            try:
                stat = self._driver.stat(layout.blob_data(digest))
            except NotFound:
                found.append((digest, 0))
                continue
            except StorageUnavailable as problem:
                self._pass_over(f"blob {digest}", problem)
                continue
            if stat.modified < self._sweep.cutoff:
                found.append((digest, stat.size_bytes))
        return found

    def _sweep_repository(self, marked: Marked) -> None:
        self._sweep_manifests(marked)
        try:
            self._sweep_referrers(marked)
        except StorageUnavailable as problem:
            self._pass_over(f"{marked.name}: referrers", problem)
        self._settle()
        for digest, target in marked.idle_layers.items():
            if digest not in marked.layers and self._gone(
                f"{marked.name}: layer {digest}",
                partial(self._sweep.layer, marked.name, digest, target),
            ):
                self.result.layer_links += 1
        if self._plan.dry_run:
            return
        for folder in marked.contents.leftovers:
            self._gone(folder, partial(self._driver.prune, folder))
        if marked.is_empty:
            self._gone(marked.name, partial(self._remove_empty, marked.name))

    def _sweep_manifests(self, marked: Marked) -> None:
        gone: set[Digest] = set()
        for digest in marked.idle_manifests:
            if digest in marked.kept:
                continue
            target = marked.contents.revisions[digest]
            if self._gone(
                f"{marked.name}: manifest {digest}",
                partial(self._sweep.revision, marked.name, digest, target),
            ):
                gone.add(digest)
            else:
                # It is needed after all, and all that it needs.
                self._marking.keep(marked, [digest])
                self._needed |= marked.blobs
        self.result.manifests += len(gone)
        if gone and not self._plan.dry_run:
            self._gone(marked.name, partial(self._forget_tags, marked, gone))

    def _forget_tags(self, marked: Marked, gone: set[Digest]) -> bool:
        """Remove the memory of tags that once pointed at manifests that are gone."""
        for tag in marked.contents.tags:
            for algorithm in ALGORITHMS:
                folder = layout.tag_index(marked.name, tag, algorithm)
                for digest in digests_in(self._driver, algorithm, folder):
                    if digest in gone:
                        self._driver.delete_folder(f"{folder}/{digest.encoded}")
        return True

    def _sweep_referrers(self, marked: Marked) -> None:
        """Remove links to referrers that are not here."""
        for algorithm in ALGORITHMS:
            folder = layout.all_referrers(marked.name, algorithm)
            for subject in digests_in(self._driver, algorithm, folder):
                for inner in ALGORITHMS:
                    found = layout.referrers(marked.name, subject, inner)
                    for digest in digests_in(self._driver, inner, found):
                        self._sweep_referrer(marked, subject, digest)

    def _sweep_referrer(self, marked: Marked, subject: Digest, digest: Digest) -> None:
        contents = marked.contents
        is_idle = digest in marked.idle_manifests and digest not in marked.kept
        if digest in contents.revisions and not is_idle:
            return
        if self._gone(
            f"{marked.name}: referrer {digest} of {subject}",
            partial(self._sweep.referrer, marked.name, subject, digest),
        ):
            self.result.referrer_links += 1

    def _gone(self, what: str, remove: Callable[[], bool]) -> bool:
        """Remove something, or in a dry run do not; what cannot be removed costs nothing else."""
        if self._plan.dry_run:
            return True
        try:
            return remove()
        except StorageUnavailable as problem:
            self._pass_over(what, problem)
            return False

    def _pass_over(self, what: str, problem: StorageUnavailable) -> None:
        self.result.problems.append(f"{what}: {problem}: it stays")

    def _remove_empty(self, name: str) -> bool:
        """Remove the folders of a repository in which nothing is left, so that no list has it."""
        for path in (layout.layers(name), layout.tags(name), layout.manifests(name)):
            self._driver.prune(path)
        objects = self._driver.objects(layout.manifests(name))
        left = {path for path, _ in objects if path.endswith(("/link", "/complete"))}
        mark = layout.referrers_complete(name)
        if left == {mark}:
            # Derived from manifests, of which there are none.
            self._driver.delete(mark)
            self._driver.prune(layout.manifests(name))
        self._driver.prune(layout.uploads(name))
        is_gone = self._driver.prune(layout.repository(name))
        self.result.empty_repositories += is_gone
        return is_gone

    def _sweep_blobs(self, idle: list[tuple[Digest, int]]) -> None:
        for count, (digest, size_bytes) in enumerate(idle):
            self._progress("sweeping blobs", count, len(idle))
            if digest in self._needed:
                continue
            self._tell(f"blob eligible for deletion: {digest}")
            if self._gone(f"blob {digest}", partial(self._sweep.blob, digest)):
                self.result.blobs += 1
                self.result.bytes += size_bytes

    def _purge_uploads(self, names: list[str]) -> None:
        age = self._plan.upload_age_seconds
        if age is None:
            return
        purge = UploadPurge(self._driver, self._sweep.cutoff + self._plan.grace_seconds - age)
        for name in names:
            for found in purge.find(name, self._pass_over):
                self._tell(f"{name}: upload eligible for deletion: {found.session_id}")
                if self._gone(f"{name}: upload {found.session_id}", partial(purge.remove, found)):
                    self.result.uploads += 1
                    self.result.bytes += found.size_bytes

    def _sweep_staging(self) -> None:
        """Remove what was on its way to its place when a process died."""
        before = self._sweep.cutoff - max(0.0, _STAGING_SECONDS - self._plan.grace_seconds)
        try:
            staged = self._driver.objects(layout.STAGING)
        except StorageUnavailable as problem:
            self._pass_over(layout.STAGING, problem)
            return
        for path, stat in staged:
            name = path.removeprefix(f"{layout.STAGING}/").partition("/")[0]
            if stat.modified >= before or _STAGED.fullmatch(name) is None:
                continue
            self.result.bytes += stat.size_bytes
            if not self._plan.dry_run:
                self._gone(path, partial(self._remove_staged, path))

    def _remove_staged(self, path: str) -> bool:
        with suppress(NotFound):
            self._driver.delete(path)
        left = path.removeprefix(f"{layout.STAGING}/").partition("/")
        if left[1]:
            self._driver.prune(f"{layout.STAGING}/{left[0]}")
        return True

    def _settle(self) -> None:
        if not self._plan.dry_run:
            self._driver.sync()
