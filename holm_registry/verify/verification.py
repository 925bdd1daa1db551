"""
Finding out whether a store is sound, and mending what can be mended.

Nothing is ever deleted. What a repair writes it writes as a push does, so that servers and
collections may go on meanwhile: bytes are refreshed before they are linked (:mod:`.sweep`). Bytes
that are not what they should be are moved away, since a push of the same content would take them
for what it brings.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from attrs import Factory, frozen
from msgspec import Struct, field

from holm_registry.content.validation import Validation
from holm_registry.gc.inventory import (
    NO_REPOSITORIES,
    is_without_repositories,
    read_contents,
    repositories,
)
from holm_registry.oci.digest import Digest
from holm_registry.storage import layout
from holm_registry.storage.errors import NotFound, StorageUnavailable
from holm_registry.storage.local_driver import LocalDriver

from .bandwidth_limit import BandwidthLimit
from .checksums import ChecksumResult, ChecksumScan
from .inspection import Inspection
from .problems import Problem, ProblemSet, Repair, ReportedProblem, blob

#: The lock that keeps two verifications apart.
LOCK = "verify"


class VerificationReport(Struct):
    """
    What was looked at, and all that is damaged.

    :ivar skipped_bytes: What an earlier run, which was interrupted, had read of ``bytes``.
    """

    repositories: int = 0
    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    skipped_bytes: int = 0
    seconds: float = 0.0
    findings: list[ReportedProblem] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged any more."""
        return all(finding.repaired for finding in self.findings)


@frozen
class VerificationOptions:
    """
    How a verification is to go about it.

    :ivar repair: Whether to mend what can be mended.
    :ivar restart: Whether to begin anew rather than where an interrupted run ended.
    :ivar bytes_per_second: How fast to read; None for as fast as can be.
    :ivar validation: What manifests are held to.
    """

    repair: bool = False
    restart: bool = False
    bytes_per_second: float | None = None
    validation: Validation = Factory(Validation)


class Verification:
    """
    One run over a store.

    :param progress: Gets what is being done, how much of it is done, and how much there is.
    """

    def __init__(
        self,
        driver: LocalDriver,
        scope: VerificationOptions,
        progress: Callable[[str, int, int], None],
    ) -> None:
        self._driver = driver
        self._scope = scope
        self._progress = progress
        self._checksums = ChecksumScan(driver, BandwidthLimit(scope.bytes_per_second), progress)
        self._problems = ProblemSet()
        self._report = VerificationReport()

    def run(self) -> VerificationReport:
        """
        Verify, and repair if asked to.

        :raises AlreadyLocked: Another verification is running.
        :raises StorageUnavailable: Nothing can be listed; or a repair cannot write.
        """
        started = time.monotonic()
        with ExitStack() as stack:
            try:
                stack.enter_context(self._driver.lock(LOCK))
            except StorageUnavailable:
                # A read-only verification needs no lock.
                if self._scope.repair:
                    raise
            self._run()
        self._report.seconds = round(time.monotonic() - started, 3)
        self._report.findings = [problem.finding() for problem in self._problems.all()]
        return self._report

    def _run(self) -> None:
        checksums = self._checksums.run(restart=self._scope.restart)
        self._report.blobs = len(checksums.sizes)
        self._report.bytes = sum(checksums.sizes.values())
        self._report.skipped_bytes = checksums.skipped_bytes
        self._note(checksums)
        names = sorted(repositories(self._driver, self._note_unlisted))
        if not names and is_without_repositories(self._driver):
            self._problems.add(Problem(layout.REPOSITORIES, NO_REPOSITORIES))
        for count, name in enumerate(names):
            self._progress("looking at repositories", count, len(names))
            self._inspect(name, checksums)
        if self._scope.repair:
            for problem in self._problems.all():
                problem.apply_repair()
        self._checksums.forget()

    def _note(self, checksums: ChecksumResult) -> None:
        for folder, problem in checksums.unlisted.items():
            self._note_unlisted(folder, problem)
        for digest, problem in checksums.broken.items():
            repair = Repair(
                f"a repair moves its bytes to {layout.DAMAGED}",
                f"its bytes were moved to {layout.DAMAGED}",
                partial(self._move_aside, digest),
            )
            self._problems.add(Problem(blob(digest), problem, repair, needs_push=True))

    def _note_unlisted(self, folder: str, problem: object) -> None:
        self._problems.add(Problem(folder, f"it cannot be listed: {problem}"))

    def _inspect(self, name: str, checksums: ChecksumResult) -> None:
        try:
            contents = read_contents(self._driver, name)
            Inspection(
                self._driver,
                contents,
                present=checksums.sizes,
                problems=self._problems,
                validation=self._scope.validation,
            ).run()
        except StorageUnavailable as problem:
            self._problems.add(Problem(name, f"it cannot be read: {problem}"))
            return
        self._report.repositories += 1
        self._report.manifests += len(contents.revisions)

    def _move_aside(self, digest: Digest) -> None:
        """Move bytes away; should a push have replaced them meanwhile, back again."""
        path, aside = layout.blob_data(digest), layout.damaged(digest, uuid.uuid4().hex[:8])
        try:
            # Had a collection taken it out of sight, it comes back for this.
            with suppress(StorageUnavailable):
                self._driver.stat(path)
            self._driver.move(path, aside)
        except NotFound:
            # Collected meanwhile.
            return
        if self._is_whole(digest, aside):
            self._driver.move(aside, path)

    def _is_whole(self, digest: Digest, path: str) -> bool:
        try:
            return self._checksums.check(path, digest.algorithm) == digest
        except StorageUnavailable:
            return False
