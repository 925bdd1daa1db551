from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from holm_registry.oci.descriptor import Referrer
from holm_registry.oci.digest import ALGORITHMS, Digest
from holm_registry.oci.errors import DigestInvalid, ManifestInvalid, ManifestUnknown
from holm_registry.oci.manifest import parse_manifest
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageUnavailable

from .links import Links
from .payloads import Payloads
from .tags import Tags

#: A page of referrers ends with the entry that reaches this size, in bytes of JSON: clients and
#: proxies read an answer whole, and annotations may be large.
MAX_PAGE_BYTES = 1024 * 1024


class Referrers:
    """
    Who refers to a manifest: signatures, SBOMs, attestations.

    Links from subject to referrer are made when a referrer is pushed. They are derived: for what
    an older registry stored they are made at the first question, and the index under the fallback
    tag, by which clients help themselves where there is no such API, counts as well.

    :see: OCI distribution-spec, "Listing Referrers", "Enabling the Referrers API".
    """

    def __init__(self, driver: Driver, links: Links, *, tags: Tags, payloads: Payloads) -> None:
        self._driver = driver
        self._links = links
        self._tags = tags
        self._payloads = payloads

    def link(self, repository: str, subject: Digest, digest: Digest) -> None:
        """Remember, durably, that a manifest refers to a subject, which need not be here."""
        self._links.put(layout.referrer_link(repository, subject, digest), digest)

    def unlink(self, repository: str, subject: Digest, digest: Digest) -> None:
        """Forget a referrer; fine if it was not known."""
        self._driver.delete_folder(layout.referrer(repository, subject, digest))

    def page(
        self, repository: str, subject: Digest, *, artifact_type: str = "", last: str = ""
    ) -> tuple[list[Referrer], bool]:
        """
        List the referrers of a manifest, in the order of their digests.

        :param artifact_type: List only those of this type; empty for all.
        :param last: Begin behind this digest.
        :return: As many as fit a page, and whether more follow.
        """
        found: list[Referrer] = []
        count_bytes = 0
        for digest in sorted(self._digests(repository, subject), key=str):
            if str(digest) <= last:
                continue
            referrer = self._describe(repository, digest)
            if referrer is None or (artifact_type and referrer.artifact_type != artifact_type):
                continue
            if count_bytes > MAX_PAGE_BYTES:
                return found, True
            found.append(referrer)
            count_bytes += len(msgspec.json.encode(referrer))
        return found, False

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
            index = parse_manifest(self._payloads.get(target).content)
        except (ManifestUnknown, ManifestInvalid, NotFound):
            return
        for digest, _ in index.manifests:
            yield digest

    def _describe(self, repository: str, digest: Digest) -> Referrer | None:
        """Describe a referrer; None if it has been deleted or cannot be read."""
        try:
            target = self._links.resolve(layout.revision_link(repository, digest), digest)
            payload = self._payloads.get(target)
            return parse_manifest(payload.content).referrer(digest, len(payload.content))
        except (NotFound, ManifestInvalid):
            return None

    def _of_an_older_registry(self, repository: str, subject: Digest) -> list[Digest]:
        """Give the referrers without a link, and link them, once for each repository."""
        mark = layout.referrers_complete(repository)
        try:
            self._driver.stat(mark)
        except NotFound:
            pass
        else:
            return []
        known = list(self._subjects(repository))
        # Where nothing can be written they are looked for each time.
        with suppress(StorageUnavailable):
            for digest, referred in known:
                self.link(repository, referred, digest)
            if self._driver.folders(layout.manifests(repository)):
                self._driver.put(mark, b"")
        return [digest for digest, referred in known if referred == subject]

    def _subjects(self, repository: str) -> Iterator[tuple[Digest, Digest]]:
        for algorithm in ALGORITHMS:
            for encoded in self._driver.folders(layout.revisions(repository, algorithm)):
                try:
                    digest = Digest.parse(f"{algorithm}:{encoded}")
                    target = self._links.resolve(layout.revision_link(repository, digest), digest)
                    subject = parse_manifest(self._payloads.get(target).content).subject
                except (DigestInvalid, NotFound, ManifestInvalid):
                    continue
                if subject is not None:
                    yield digest, subject
