"""
Pages of a sorted list: ``n``, ``last`` and the ``Link`` to the next one.

:see: OCI distribution-spec, "Listing Tags" (end-8b).
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from .errors import PaginationNumberInvalid


@frozen
class PageRequest:
    """
    A wish for part of a list.

    :ivar limit: How many entries at the most; None for all.
    :ivar last: Begin behind this one; empty for the beginning.
    """

    limit: int | None = None
    last: str = ""


def parse_page(
    n: str | None, last: str | None, *, default: int | None = None, maximum: int | None = None
) -> PageRequest:
    """
    Read the two parameters.

    :raises PaginationNumberInvalid: ``n`` is no number, negative or above ``maximum``.
    """
    if not n:
        return PageRequest(default, last or "")
    if not (n.isascii() and n.isdigit() and len(n) <= 18):
        raise PaginationNumberInvalid(detail={"n": n[:100]})
    limit = int(n)
    if maximum is not None and limit > maximum:
        raise PaginationNumberInvalid(f"n must be at most {maximum}", detail={"n": limit})
    return PageRequest(limit, last or "")


def next_page(page: PageRequest, names: Sequence[str], *, more: bool) -> dict[str, object] | None:
    """
    Return the query of the page behind this one; None where there is none.

    :param names: What this page holds.
    :param more: Whether anything follows it.
    """
    if not more or not names:
        return None
    return {"last": names[-1], "n": page.limit}
