"""
Pages of a sorted list: ``n``, ``last`` and the ``Link`` to the next one.

:see: OCI distribution-spec, "Listing Tags" (end-8b).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from .errors import PaginationNumberInvalid
from .numbers import parse_decimal


@frozen
class PageRequest:
    """
    A request for a page of a list.

    :ivar limit: The maximum number of entries; None for all.
    :ivar last: The page starts after this entry; empty for the first page.
    """

    limit: int | None = None
    last: str = ""


def parse_page(
    n: str | None, last: str | None, *, default: int | None = None, maximum: int | None = None
) -> PageRequest:
    """
    Parse the query parameters ``n`` and ``last``.

    :raises PaginationNumberInvalid: ``n`` is not a number, or negative, or above ``maximum``.
    """
    if not n:
        return PageRequest(default, last or "")
    limit = parse_decimal(n, max_digits=18)
    if limit is None:
        raise PaginationNumberInvalid(detail={"n": n[:100]})
    if maximum is not None and limit > maximum:
        raise PaginationNumberInvalid(f"n must be at most {maximum}", detail={"n": limit})
    return PageRequest(limit, last or "")


def next_page_query(
    page: PageRequest, names: Sequence[str], *, more: bool
) -> dict[str, object] | None:
    """
    Return the query parameters of the next page; None if this page is the last one.

    :param names: The entries of this page.
    :param more: Whether more entries follow.
    """
    if not more or not names:
        return None
    return {"last": names[-1], "n": page.limit}
