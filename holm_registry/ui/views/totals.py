"""
What tags come to together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from holm_registry.ui.model.dates import build_date
from holm_registry.ui.model.platforms import in_order
from holm_registry.ui.model.snapshots import DANGLING, TagSet, TagSnapshot
from holm_registry.ui.model.summaries import ContentSet, summary_of
from holm_registry.ui.state.content_cache import ContentCache
from holm_registry.ui.state.missing_parts import missing_text


@frozen
class Totals:
    """
    :ivar size: What the tags take, each blob once, as far as that is known; in bytes.
    :ivar images: How many different digests they point to.
    :ivar known: Of how many tags everything is known.
    :ivar pending: How many tags are still to be read.
    :ivar unread: How many could not be read, or not completely: the sums are without them.
    :ivar damaged: How many lack their manifest or part of it in the registry.
    :ivar newest: When the newest of them was built; empty if none has a real date.
    """

    size: int
    images: int
    known: int
    pending: int
    unread: int
    damaged: int
    platforms: tuple[str, ...]
    newest: str
    newest_tag: str


def totals_of(contents: ContentCache, tagset: TagSet, names: Sequence[str] | None = None) -> Totals:
    """
    Add up what tags come to.

    :param names: The tags; all of them if None.
    """
    key = ("totals", None if names is None else tuple(names))
    found: Totals | None = tagset.memory.get(key)
    if found is not None:
        return found
    chosen = None if names is None else set(names)
    totals = _add_up(
        contents, tagset, [tag for tag in tagset.tags if chosen is None or tag.name in chosen]
    )
    # What is still being read becomes known without any tag changing.
    final = totals.known + totals.damaged == len(tagset.tags if names is None else names)
    return tagset.remember(key, totals) if final else totals


def _add_up(contents: ContentCache, tagset: TagSet, tags: Iterable[TagSnapshot]) -> Totals:
    content, digests, platforms = ContentSet(), set[str](), set[str]()
    known = pending = unread = damaged = 0
    newest = newest_tag = ""
    for tag in tags:
        summary = summary_of(contents, tag.digest) if tag.digest and not tag.problem else None
        digests.add(tag.digest)
        if summary is not None:
            content.add(contents, tag.digest)
            platforms.update(summary.platforms)
            if summary.created > newest and build_date(summary.created):
                newest, newest_tag = summary.created, tag.name
        if summary is not None and summary.complete:
            known += 1
        elif not tag.settled:
            pending += 1
        elif tag.problem == DANGLING or missing_text(contents, tag.digest, tagset.absent):
            damaged += 1
        else:
            unread += 1
    return Totals(
        content.total_bytes,
        len(digests - {""}),
        known,
        pending,
        unread,
        damaged,
        in_order(platforms),
        newest,
        newest_tag,
    )
