"""
The tags of a repository as rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from holm_registry.ui.model.attachments import attachment_of
from holm_registry.ui.model.dates import build_date
from holm_registry.ui.model.ordering import natural_key, newest_first, ranked
from holm_registry.ui.model.snapshots import RepositorySnapshot, TagSet, TagSnapshot
from holm_registry.ui.model.summaries import ImageSummary, summary_of
from holm_registry.ui.state.content_cache import ContentCache
from holm_registry.ui.state.missing_parts import missing_text

from .paging import Listing, Page, page_of
from .totals import Totals, totals_of

#: The orders there are, the usual one first, and whether each begins at its end.
ORDERS = {"version": True, "name": False, "image": True, "size": True, "date": True}


@frozen
class TagRow:
    """
    :ivar aliases: Other tags of the same digest, as far as that is known.
    :ivar problem: Why it could not be read, or what of it is missing in the registry.
    :ivar pending: Whether something of it is still to be read.
    :ivar attached_to: The digest that this tag only tells something about; else empty.
    """

    name: str
    digest: str
    summary: ImageSummary | None
    aliases: Sequence[str]
    problem: str
    pending: bool
    attached_to: str = ""


@frozen
class RepositoryView:
    """
    What the page of a repository shows.

    :ivar total: How many tags it has, shown or not.
    :ivar totals: What the tags that the filter lets through come to.
    """

    name: str
    page: Page[TagRow]
    listing: Listing
    total: int
    totals: Totals

    @property
    def pending(self) -> int:
        """How many of these tags are still to be read."""
        return self.totals.pending


def repository_view(
    contents: ContentCache, snapshot: RepositorySnapshot, listing: Listing
) -> RepositoryView:
    """Put together what the page of a repository shows."""
    names = ranked(
        ordered(contents, snapshot.tagset, listing.sort, listing.descending), listing.query
    )
    page = page_of(names, listing.page)
    tags, aliases = by_name(snapshot.tagset), aliases_of(snapshot.tagset)
    rows = [_row(contents, snapshot.tagset, tags[name], aliases) for name in page.rows]
    return RepositoryView(
        snapshot.name,
        Page(rows, page.number, page.pages, page.first, page.total),
        listing,
        len(snapshot.tags),
        totals_of(contents, snapshot.tagset, names if listing.query.strip() else None),
    )


def matching(contents: ContentCache, snapshot: RepositorySnapshot, query: str) -> list[str]:
    """Return all tags that a filter lets through, whatever page they are on."""
    return ranked(ordered(contents, snapshot.tagset, "version", descending=True), query)


def page_names(
    contents: ContentCache, snapshot: RepositorySnapshot, listing: Listing
) -> Sequence[str]:
    """Return which tags a page will show, as far as that is known now."""
    names = ranked(
        ordered(contents, snapshot.tagset, listing.sort, listing.descending), listing.query
    )
    return page_of(names, listing.page).rows


def _row(
    contents: ContentCache, tagset: TagSet, tag: TagSnapshot, aliases: Mapping[str, Sequence[str]]
) -> TagRow:
    about = attachment_of(tag.name)
    return TagRow(
        tag.name,
        tag.digest,
        summary_of(contents, tag.digest) if tag.digest else None,
        [other for other in aliases.get(tag.digest, ()) if other != tag.name],
        tag.problem or missing_text(contents, tag.digest, tagset.absent),
        not tag.settled,
        about[0] if about else "",
    )


def by_name(tagset: TagSet) -> Mapping[str, TagSnapshot]:
    """Return the tags by their names."""
    found: Mapping[str, TagSnapshot] | None = tagset.memory.get("by name")
    return found or tagset.remember("by name", {tag.name: tag for tag in tagset.tags})


def aliases_of(tagset: TagSet) -> Mapping[str, Sequence[str]]:
    """Return, for each digest, all tags that point to it, the newest version first."""
    found: Mapping[str, Sequence[str]] | None = tagset.memory.get("aliases")
    if found is not None:
        return found
    aliases: dict[str, list[str]] = {}
    for tag in tagset.tags:
        if tag.digest:
            aliases.setdefault(tag.digest, []).append(tag.name)
    for digest, names in aliases.items():
        if len(names) > 1:
            aliases[digest] = newest_first(names)
    return tagset.remember("aliases", aliases)


def ordered(contents: ContentCache, tagset: TagSet, sort: str, descending: bool) -> Sequence[str]:  # noqa: FBT001
    """Return the names of all tags in an order; those of which it is not known come last."""
    # Sizes and dates become known without any tag changing.
    learned = contents.generation if sort in ("size", "date") else 0
    key = ("order", sort, descending, learned)
    found: Sequence[str] | None = tagset.memory.get(key)
    return (
        found
        if found is not None
        else tagset.remember(key, _order(contents, tagset, sort, descending))
    )


def _order(contents: ContentCache, tagset: TagSet, sort: str, descending: bool) -> Sequence[str]:  # noqa: FBT001
    names = newest_first(tag.name for tag in tagset.tags)
    # What tools attach by tags belongs behind what people named.
    names.sort(key=lambda name: attachment_of(name) is not None)
    if sort == "version":
        return names if descending else names[::-1]
    if sort == "name":
        return sorted(names, key=natural_key, reverse=descending)
    if sort == "image":
        ordered = _together(tagset, names)
        return ordered if descending else ordered[::-1]
    summaries = {tag.name: summary_of(contents, tag.digest) for tag in tagset.tags if tag.digest}
    known = [name for name in names if _value(summaries.get(name), sort) is not None]
    known.sort(key=lambda name: _value(summaries[name], sort) or 0, reverse=descending)
    return known + [name for name in names if _value(summaries.get(name), sort) is None]


def _together(tagset: TagSet, names: Sequence[str]) -> list[str]:
    """Put tags of one image next to each other, where the newest of them stands."""
    digests = {tag.name: tag.digest for tag in tagset.tags}
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        first.setdefault(digests[name] or name, place)
    return sorted(names, key=lambda name: first[digests[name] or name])


def _value(summary: ImageSummary | None, sort: str) -> int | str | None:
    if summary is None:
        return None
    if sort == "size":
        return summary.size
    return summary.created if build_date(summary.created) else None
