"""
The repositories of a registry as rows, in groups by namespace.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from attrs import frozen

from holm_registry.ui.model.ordering import natural_key
from holm_registry.ui.model.snapshots import RepositorySnapshot
from holm_registry.ui.model.summaries import ContentSet
from holm_registry.ui.state.content_cache import ContentCache

from .paging import Listing, Page, page_of
from .totals import Totals, totals_of

#: The orders there are, the usual one first, and whether each begins at its end.
ORDERS = {"name": False, "tags": True, "size": True, "newest": True}

#: A list this short is shown flat.
_FEW = 15


@frozen
class RepositoryRow:
    """
    :ivar tags: How many; None as long as that is not known.
    :ivar totals: What they come to, as far as that is known.
    :ivar problem: Why its tags could not be listed.
    """

    name: str
    tags: int | None
    totals: Totals
    problem: str = ""

    @property
    def namespace(self) -> str:
        """What stands before its last slash."""
        return self.name.rpartition("/")[0]

    @property
    def pending(self) -> bool:
        """Whether something of it is still to be looked at."""
        return not self.problem and (self.tags is None or self.totals.pending > 0)


@frozen
class NamespaceGroup:
    """
    Repositories of one namespace that stand together.

    :ivar name: The namespace; empty for those without one.
    :ivar toggle: Where the group is opened or closed; empty if it cannot be.
    """

    name: str
    rows: Sequence[RepositoryRow]
    count: int
    closed: bool = False
    toggle: str = ""


@frozen
class RepositoriesView:
    """
    What the first page shows.

    :ivar empty: How many repositories have no tags, and are hidden.
    :ivar size: What everything takes, each blob once, as far as that is known; in bytes.
    :ivar pending: Whether something is still to be looked at.
    :ivar unread: The repositories that could not be read, or not all of their tags: the sums are
        without what could not.
    """

    groups: Sequence[NamespaceGroup]
    page: Page[RepositoryRow]
    listing: Listing
    total: int
    tags: int
    images: int
    size: int
    pending: bool
    counted: bool
    unread: Sequence[str]
    empty: int
    show_empty: bool


def repositories_view(
    contents: ContentCache,
    shots: Sequence[RepositorySnapshot],
    listing: Listing,
    memory: dict[Hashable, Any],
) -> RepositoriesView:
    """
    Put together what the first page shows.

    :param memory: Where to keep what takes long to work out.
    """
    extra = dict(listing.extra)
    show_empty = extra.get("empty") == "1"
    rows = [_row(contents, snapshot) for snapshot in shots]
    empty = sum(row.tags == 0 for row in rows)
    shown = [row for row in rows if show_empty or row.tags != 0]
    groups, page = _groups(shown, listing)
    size, images = whole(contents, shots, memory)
    return RepositoriesView(
        groups,
        page,
        listing,
        len(rows),
        sum(row.tags or 0 for row in rows),
        images,
        size,
        pending=any(row.pending for row in rows),
        counted=all(row.tags is not None or row.problem for row in rows),
        unread=[row.name for row in rows if row.problem or row.totals.unread],
        empty=empty,
        show_empty=show_empty,
    )


def _row(contents: ContentCache, snapshot: RepositorySnapshot) -> RepositoryRow:
    return RepositoryRow(
        snapshot.name,
        len(snapshot.tags) if snapshot.listed else None,
        totals_of(contents, snapshot.tagset),
        snapshot.problem,
    )


def whole(
    contents: ContentCache, shots: Sequence[RepositorySnapshot], memory: dict[Hashable, Any]
) -> tuple[int, int]:
    """Add everything up: bytes with each blob once, and distinct images, as far as known."""
    key = (contents.generation, [snapshot.tagset for snapshot in shots])
    remembered: tuple[object, tuple[int, int]] | None = memory.get("whole")
    if remembered is not None and remembered[0] == key:
        return remembered[1]
    result = _add_up(contents, shots)
    memory["whole"] = (key, result)
    return result


def _add_up(contents: ContentCache, shots: Sequence[RepositorySnapshot]) -> tuple[int, int]:
    content = ContentSet()
    digests = {tag.digest for snapshot in shots for tag in snapshot.tags if not tag.problem} - {""}
    for digest in digests:
        content.add(contents, digest)
    return content.total_bytes, len(digests)


def _groups(
    rows: Sequence[RepositoryRow], listing: Listing
) -> tuple[Sequence[NamespaceGroup], Page[RepositoryRow]]:
    if listing.sort != "name" or len(rows) < _FEW:
        page = page_of(_sorted(rows, listing), listing.page)
        return [NamespaceGroup("", page.rows, page.total)], page
    closed = {name for key, name in listing.extra if key == "closed" for name in name.split(",")}
    by_namespace: dict[str, list[RepositoryRow]] = {}
    for row in _sorted(rows, listing):
        by_namespace.setdefault(row.namespace, []).append(row)
    page = page_of(
        [row for name, found in by_namespace.items() if name not in closed for row in found],
        listing.page,
    )
    shown = set(page.rows)
    return [
        NamespaceGroup(
            name,
            [row for row in found if row in shown],
            len(found),
            closed=name in closed,
            toggle=_toggle(listing, closed, name) if name else "",
        )
        for name, found in by_namespace.items()
        if name in closed or any(row in shown for row in found)
    ], page


def _toggle(listing: Listing, closed: set[str], name: str) -> str:
    others = [pair for pair in listing.extra if pair[0] != "closed"]
    turned = sorted(closed ^ {name})
    return listing.url(extra=(*others, *([("closed", ",".join(turned))] if turned else [])))


def _sorted(rows: Sequence[RepositoryRow], listing: Listing) -> list[RepositoryRow]:
    def by_name(row: RepositoryRow) -> object:
        return (natural_key(row.namespace), natural_key(row.name))

    ordered = sorted(rows, key=by_name)  # type: ignore[arg-type] # keys of one kind
    if listing.sort == "name":
        return ordered[::-1] if listing.descending else ordered
    known = [row for row in ordered if _value(row, listing.sort) is not None]
    known.sort(key=lambda row: _value(row, listing.sort), reverse=listing.descending)  # type: ignore[arg-type,return-value] # none is None
    return known + [row for row in ordered if _value(row, listing.sort) is None]


def _value(row: RepositoryRow, sort: str) -> int | str | None:
    """Return what a row is sorted by; None as long as that is not known."""
    if sort == "tags":
        return row.tags
    if sort == "newest":
        return row.totals.newest or None
    return row.totals.size if row.totals.known or not row.pending else None
