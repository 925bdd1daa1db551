"""
What an index lists, as rows: platforms, indexes in it, and whatever else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen

from holm_registry.ui.model.artifact_types import IMAGE, INDEX
from holm_registry.ui.model.documents import DocumentInvalid, Manifest, pretty, read
from holm_registry.ui.model.summaries import summary_of
from holm_registry.ui.state.content_cache import ContentCache
from holm_registry.ui.state.image_loader import IndexEntry, LoadedImage

from .image import MAX_RAW_CHARACTERS, NamedValue, named

#: The most entries that a page shows.
MAX_ENTRIES = 256


@frozen
class EntryRow:
    """
    An entry of an index.

    :ivar label: Its platform, or what else tells it apart.
    :ivar kind: What it is, in a word.
    :ivar platforms: What it is for: several of an index.
    :ivar size: Of its content, in bytes; None if that is not known.
    :ivar is_platform: Whether it is an image for one platform.
    :ivar missing: Whether the registry does not have it.
    """

    digest: str
    label: str
    kind: str
    platforms: Sequence[str]
    size: int | None
    is_platform: bool
    missing: bool


@frozen
class IndexView:
    """
    :ivar rows: What it lists but attestations, at most :data:`MAX_ENTRIES`.
    :ivar more: How many entries there are beyond the rows.
    """

    text: str
    annotations: Sequence[NamedValue]
    rows: Sequence[EntryRow]
    more: int

    @property
    def platforms(self) -> Sequence[EntryRow]:
        """The entries that are images for one platform."""
        return [row for row in self.rows if row.is_platform]

    @property
    def others(self) -> Sequence[EntryRow]:
        """The entries that are something else: indexes, artifacts."""
        return [row for row in self.rows if not row.is_platform]


def index_view(
    contents: ContentCache, opened: LoadedImage, absent: Collection[str]
) -> IndexView | None:
    """
    Take an index apart; None if the reference is no index.

    :param absent: The digests that the repository does not have.
    """
    if opened.index is None:
        return None
    listed = [entry for entry in opened.entries if not entry.attests]
    return IndexView(
        pretty(opened.index)[:MAX_RAW_CHARACTERS],
        named(_annotations(opened.index)),
        [_row(contents, entry, absent) for entry in listed[:MAX_ENTRIES]],
        max(0, len(listed) - MAX_ENTRIES),
    )


def _row(contents: ContentCache, entry: IndexEntry, absent: Collection[str]) -> EntryRow:
    summary = summary_of(contents, entry.digest)
    kind = summary.kind if summary else INDEX if entry.is_index else IMAGE
    return EntryRow(
        entry.digest,
        entry.label,
        kind,
        summary.platforms if summary else (),
        summary.size if summary and summary.sized else None,
        entry.has_platform and kind == IMAGE,
        summary is None and entry.digest in absent,
    )


def _annotations(content: bytes) -> dict[str, str]:
    try:
        return read(content, Manifest).annotations or {}
    except DocumentInvalid:
        return {}
