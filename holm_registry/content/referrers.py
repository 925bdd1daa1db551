from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec

from holm_registry.oci.descriptor import ReferrerDescriptor
from holm_registry.oci.digest import ALGORITHMS, Digest
from holm_registry.oci.errors import DigestInvalid, ManifestInvalid, ManifestUnknown
from holm_registry.oci.manifest import parse_manifest
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageUnavailable

from .link_files import LinkFiles
from .manifest_store import ManifestStore
from .store_warnings import StoreWarnings
from .tags import Tags

#: A page of referrers ends with the entry that reaches this size, in bytes of JSON: clients and
#: proxies read an answer whole, and annotations may be large.
MAX_PAGE_BYTES = 1024 * 1024

_NANOSECONDS = re.compile(r"[1-9][0-9]{0,18}")
_PLACE = re.compile(r"([0-9]{1,19})-(.+)")


class Referrers:
    """
    Who refers to a manifest: signatures, SBOMs, attestations, in the order they were pushed in.

    Links from subject to referrer are made when a referrer is pushed. They are derived: for what
    an older registry stored they are made at the first question, and the index under the fallback
    tag, by which clients help themselves where there is no such API, counts as well.

    When a referrer was pushed is written into its link: the times of files are not kept by every
    copy of a volume, and those of bytes change whenever a client asks for them.

    :param nanoseconds: Tells the time, since the epoch.
    :see: OCI distribution-spec, "Listing Referrers", "Enabling the Referrers API".
    """

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        driver: Driver,
        links: LinkFiles,
        *,
        tags: Tags,
        payloads: ManifestStore,
        complaints: StoreWarnings,
        nanoseconds: Callable[[], int] = time.time_ns,
    ) -> None:
        self._driver = driver
        self._complaints = complaints
        self._nanoseconds = nanoseconds
        self._links = links
        self._tags = tags
        self._payloads = payloads

    def link(self, repository: str, subject: Digest, digest: Digest) -> None:
        """
        Remember, durably, that a manifest refers to a subject, which need not be here.

        A referrer that is pushed again keeps its place.
        """
        pushed = self._pushed(repository, subject, digest) or self._nanoseconds()
        self._put(repository, subject, digest, pushed)

    def _put(self, repository: str, subject: Digest, digest: Digest, pushed: int) -> None:
        path = layout.referrer_link(repository, subject, digest)
        self._driver.put(path, f"{digest} {pushed}".encode())

    def unlink(self, repository: str, subject: Digest, digest: Digest) -> None:
        """Forget a referrer; fine if it was not known."""
        self._driver.delete_folder(layout.referrer(repository, subject, digest))

    def page(
        self, repository: str, subject: Digest, *, artifact_type: str = "", last: str = ""
    ) -> tuple[list[ReferrerDescriptor], str]:
        """
        List the referrers of a manifest, the one that was pushed first first.

        :param artifact_type: List only those of this type; empty for all.
        :param last: Begin behind this place, which a page before gave.
        :return: As many as fit a page, and its last place if more follow, else an empty text.
        """
        found: list[ReferrerDescriptor] = []
        count_bytes = 0
        place = behind = _parse_place(last)
        for each in self._places(repository, subject):
            if each <= behind:
                continue
            referrer = self._describe(repository, Digest.parse(each[1]))
            if referrer is None or (artifact_type and referrer.artifact_type != artifact_type):
                continue
            if count_bytes > MAX_PAGE_BYTES:
                return found, f"{place[0]}-{place[1]}"
            found.append(referrer)
            place = each
            count_bytes += len(msgspec.json.encode(referrer))
        return found, ""

    def _places(self, repository: str, subject: Digest) -> list[tuple[int, str]]:
        """Order the referrers of a manifest: by the time they were pushed, then by digest."""
        return sorted(
            (
                self._pushed(repository, subject, digest) or self._linked_at(repository, digest),
                str(digest),
            )
            for digest in self._digests(repository, subject)
        )

    def _pushed(self, repository: str, subject: Digest, digest: Digest) -> int:
        """Read when a referrer was pushed, in nanoseconds since the epoch; 0 if no link says it."""
        try:
            content = self._driver.read(layout.referrer_link(repository, subject, digest))
        except NotFound:
            return 0
        except StorageUnavailable as problem:
            self._complaints.add(layout.referrer_link(repository, subject, digest), problem)
            return 0
        pushed = content.decode("ascii", "replace").partition(" ")[2]
        return int(pushed) if _NANOSECONDS.fullmatch(pushed) else 0

    def _linked_at(self, repository: str, digest: Digest) -> int:
        """Return when a manifest was last pushed, as well as the time of its link says it."""
        try:
            return int(self._driver.stat(layout.revision_link(repository, digest)).modified * 1e9)
        except (NotFound, StorageUnavailable):
            return 0

    def _digests(self, repository: str, subject: Digest) -> set[Digest]:
        return {
            *self._of_an_older_registry(repository, subject),
            *self._linked(repository, subject),
            *self._by_fallback_tag(repository, subject),
        }

    def _linked(self, repository: str, subject: Digest) -> Iterator[Digest]:
        for algorithm in ALGORITHMS:
            for encoded in self._driver.folders(layout.referrers(repository, subject, algorithm)):
                with suppress(DigestInvalid):
                    yield Digest.parse(f"{algorithm}:{encoded}")

    def _by_fallback_tag(self, repository: str, subject: Digest) -> Iterator[Digest]:
        try:
            target = self._tags.get(repository, f"{subject.algorithm}-{subject.encoded[:64]}")
            with self._payloads.looked_into(target) as content:
                index = parse_manifest(content)
        except (ManifestUnknown, ManifestInvalid, NotFound):
            return
        except StorageUnavailable as problem:
            self._complaints.add(f"{repository}: referrers of {subject} by tag", problem)
            return
        for digest, _ in index.manifests:
            yield digest

    def _describe(self, repository: str, digest: Digest) -> ReferrerDescriptor | None:
        """Describe a referrer; None if it has been deleted or cannot be read."""
        try:
            target = self._links.read(layout.revision_link(repository, digest), digest)
            with self._payloads.looked_into(target) as content:
                return parse_manifest(content).referrer(digest, len(content))
        except (NotFound, ManifestInvalid):
            return None
        except StorageUnavailable as problem:
            self._complaints.add(layout.revision(repository, digest), problem)
            return None

    def _of_an_older_registry(self, repository: str, subject: Digest) -> list[Digest]:
        """Return the referrers without a link, and link them, once for each repository."""
        mark = layout.referrers_complete(repository)
        try:
            self._driver.stat(mark)
        except NotFound:
            pass
        else:
            return []
        unread: list[Digest] = []
        known = list(self._subjects(repository, unread))
        # Where nothing can be written they are looked for each time.
        with suppress(StorageUnavailable):
            for digest, referred in known:
                if not self._pushed(repository, referred, digest):
                    pushed = self._linked_at(repository, digest)
                    self._put(repository, referred, digest, pushed)
            if self._driver.folders(layout.manifests(repository)) and not unread:
                self._driver.put(mark, b"")
        return [digest for digest, referred in known if referred == subject]

    def _subjects(self, repository: str, unread: list[Digest]) -> Iterator[tuple[Digest, Digest]]:
        """
        Return each manifest that has a subject, with it.

        :param unread: Gets those that cannot be read just now.
        """
        for algorithm in ALGORITHMS:
            for encoded in self._driver.folders(layout.revisions(repository, algorithm)):
                try:
                    digest = Digest.parse(f"{algorithm}:{encoded}")
                except DigestInvalid:
                    continue
                try:
                    target = self._links.read(layout.revision_link(repository, digest), digest)
                    with self._payloads.looked_into(target) as content:
                        subject = parse_manifest(content).subject
                except (NotFound, ManifestInvalid):
                    continue
                except StorageUnavailable as problem:
                    self._complaints.add(layout.revision(repository, digest), problem)
                    unread.append(digest)
                    continue
                if subject is not None:
                    yield digest, subject


def _parse_place(text: str) -> tuple[int, str]:
    """Read a place in the order of referrers; the beginning, where it is none."""
    match = _PLACE.fullmatch(text)
    return (int(match[1]), match[2]) if match is not None else (0, "")
