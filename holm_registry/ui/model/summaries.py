"""
What a manifest comes to: its size, platforms and age, put together from all it consists of.

Pure, and called in threads: reads what is cached, sends no request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from attrs import Factory, define, frozen

from .artifact_types import UNKNOWN
from .dates import build_date, first_build_date, newest_build_date
from .manifest_summary import Child, KnownContent, ManifestSummary, has_platform_config
from .platforms import in_order

_MAX_DEPTH = 4


@frozen
class ImageSummary:
    """
    :ivar size: Of config and layers, of all platforms, each blob once; in bytes.
    :ivar sized: Whether that is all of it.
    :ivar layers: How many; of the first platform where there are several. None if not known.
    :ivar created: When it was built, as it says; empty if it does not. Not always a real date: see
        :func:`.dates.build_date`.
    :ivar complete: Whether everything it is made of could be looked at.
    """

    digest: str
    kind: str
    size: int
    layers: int | None
    platforms: tuple[str, ...]
    created: str
    complete: bool
    sized: bool = True
    parse_error: str = ""


def summary_of(contents: KnownContent, digest: str, depth: int = 0) -> ImageSummary | None:
    """Sum up a manifest; None as long as nothing is known of it."""
    facts = contents.manifests.peek(digest)
    if facts is None or depth > _MAX_DEPTH:
        return None
    if isinstance(facts.summary, ImageSummary):
        return facts.summary
    summary = _summarise(contents, facts, depth)
    if summary.complete:
        facts.summary = summary
    return summary


def _summarise(contents: KnownContent, facts: ManifestSummary, depth: int) -> ImageSummary:
    if not facts.children:
        return _single(contents, facts)
    parts = [
        (child, summary_of(contents, child.digest, depth + 1))
        for child in facts.children
        if not child.attests
    ]
    content = ContentSet()
    for child in facts.children:
        if not child.attests:
            content.add(contents, child.digest)
    dated = build_date(facts.created) is not None
    # As many as the reader looks into; see there.
    looked_into = [
        summary
        for number, (child, summary) in enumerate(parts)
        if not child.platform or (number == 0 and not dated)
    ]
    created = newest_build_date(summary.created for _, summary in parts if summary)
    return ImageSummary(
        facts.digest,
        facts.kind,
        content.blob_bytes,
        next((summary.layers for _, summary in parts if summary), None if parts else 0),
        in_order(_platforms(parts)),
        first_build_date(facts.created, created),
        complete=content.complete and all(summary and summary.complete for summary in looked_into),
        sized=content.complete,
    )


def _platforms(parts: Iterable[tuple[Child, ImageSummary | None]]) -> Iterator[str]:
    for child, summary in parts:
        if child.platform:
            yield child.platform
        elif summary is not None:
            yield from summary.platforms


def _single(contents: KnownContent, facts: ManifestSummary) -> ImageSummary:
    config = contents.configs.peek(facts.config.digest) if facts.config else None
    return ImageSummary(
        facts.digest,
        facts.kind,
        sum({blob.digest: blob.size for blob in facts.blobs}.values()),
        facts.layers,
        in_order([config.platform] if config else []),
        first_build_date(facts.created, config.created if config else ""),
        complete=config is not None or not has_platform_config(facts),
        parse_error=facts.parse_error
        or (config.parse_error if config and facts.kind != UNKNOWN else ""),
    )


@define
class ContentSet:
    """
    Everything that manifests consist of, each piece once.

    :ivar unknown: The digests of manifests of which nothing is known.
    :ivar absent: The digests of manifests that the registry does not have: they hold nothing.
    """

    pieces: dict[str, int] = Factory(dict)
    unknown: set[str] = Factory(set)
    absent: Collection[str] = ()
    _manifests: set[str] = Factory(set)

    def add(self, contents: KnownContent, digest: str, depth: int = 0) -> None:
        """Add a manifest and all it names."""
        if digest in self._manifests or digest in self.absent:
            return
        facts = contents.manifests.peek(digest)
        if facts is None or depth > _MAX_DEPTH:
            self.unknown.add(digest)
            return
        self._manifests.add(digest)
        self.pieces[digest] = facts.size
        for blob in facts.blobs:
            self.pieces[blob.digest] = blob.size
        for child in facts.children:
            self.add(contents, child.digest, depth + 1)

    @property
    def complete(self) -> bool:
        """Whether all of them were known."""
        return not self.unknown

    def has(self, digest: str) -> bool:
        """Return whether a manifest was added."""
        return digest in self._manifests

    @property
    def total_bytes(self) -> int:
        """What it all takes of a disk that keeps each piece once."""
        return sum(self.pieces.values())

    @property
    def blob_bytes(self) -> int:
        """The same without the manifests."""
        return sum(size for digest, size in self.pieces.items() if digest not in self._manifests)

    def only_in(self, other: ContentSet) -> int:
        """Sum up what is here and not in another, in bytes."""
        return sum(size for digest, size in self.pieces.items() if digest not in other.pieces)
