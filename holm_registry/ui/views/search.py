"""
What a search finds: repositories by name, and tags in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from holm_registry.ui.model.ordering import matcher, newest_first
from holm_registry.ui.model.snapshots import RepositorySnapshot

#: How many repositories, and how many tags of each, are shown.
MAX_REPOSITORIES = 100
MAX_TAGS = 50


@frozen
class SearchHit:
    """
    A repository that was found, or in which something was.

    :ivar tags: The tags that match; none if only the repository's name does.
    :ivar more: How many tags match beyond these.
    """

    repository: str
    tags: Sequence[str]
    more: int = 0


@frozen
class SearchResults:
    """
    :ivar more: How many repositories match beyond these.
    :ivar unlisted: In how many repositories tags could not be searched yet.
    """

    query: str
    found: Sequence[SearchHit]
    more: int
    unlisted: int


def search(shots: Sequence[RepositorySnapshot], query: str) -> SearchResults:
    """
    Search names of repositories and tags.

    ``repository:tag`` searches both at once; ``*`` and ``?`` make either a pattern. What matches
    exactly comes first, then what begins so, then what holds it.
    """
    query = query.strip()
    name_query, colon, tag_query = query.rpartition(":")
    if not colon:
        name_query = tag_query = query
    if not query or query == ":":
        return SearchResults(query, [], 0, 0)
    rank_name, rank_tag = matcher(name_query), matcher(tag_query)
    ranked: list[tuple[int, str, SearchHit]] = []
    for snapshot in shots:
        by_name = rank_name(snapshot.name)
        if colon and not by_name:
            continue
        matches = _matching([tag.name for tag in snapshot.tags], rank_tag) if tag_query else []
        if not matches and ((colon and tag_query) or not by_name):
            continue
        tags = [tag for _, tag in matches]
        worth = max([by_name, *(rank for rank, _ in matches[:1])])
        found = SearchHit(snapshot.name, tags[:MAX_TAGS], max(0, len(tags) - MAX_TAGS))
        ranked.append((-worth, snapshot.name, found))
    ranked.sort(key=lambda entry: entry[:2])
    found_all = [found for _, _, found in ranked]
    return SearchResults(
        query,
        found_all[:MAX_REPOSITORIES],
        max(0, len(found_all) - MAX_REPOSITORIES),
        sum(not snapshot.listed for snapshot in shots),
    )


def _matching(names: Sequence[str], rank: Callable[[str], int]) -> list[tuple[int, str]]:
    worths = {name: rank(name) for name in names}
    matching = newest_first(name for name, worth in worths.items() if worth)
    return [(worth, name) for worth in (3, 2, 1) for name in matching if worths[name] == worth]
