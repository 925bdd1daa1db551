"""
A list as an address wants it: filtered, in an order, a page of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

from attrs import evolve, frozen

T = TypeVar("T")

#: How many rows a page has.
ROWS = 100


class Parameters(Protocol):
    """The query of an address."""

    def one(self, name: str) -> str:
        """Return a parameter; empty if there is none."""


@frozen
class Listing:
    """
    What an address asks of a list.

    :ivar path: The address without its query.
    :ivar extra: Other parameters to carry along, such as groups that are closed.
    """

    path: str
    query: str = ""
    sort: str = ""
    descending: bool = False
    page: int = 1
    extra: tuple[tuple[str, str], ...] = ()
    defaults: Mapping[str, bool] = {}

    def url(self, **changes: Any) -> str:
        """Write the address of this list, or of one that differs in something."""
        other = evolve(self, **changes)
        parameters: list[tuple[str, str]] = []
        if other.query:
            parameters.append(("q", other.query))
        if other.sort != next(iter(other.defaults), ""):
            parameters.append(("sort", other.sort))
        if other.descending != other.defaults.get(other.sort, False):
            parameters.append(("dir", "desc" if other.descending else "asc"))
        parameters += other.extra
        if other.page > 1:
            parameters.append(("page", str(other.page)))
        return f"{other.path}?{urlencode(parameters)}" if parameters else other.path

    def sorted_by(self, sort: str) -> str:
        """Write the address of this list in another order, or in this one the other way round."""
        turned = not self.descending if sort == self.sort else self.defaults.get(sort, False)
        return self.url(sort=sort, descending=turned, page=1)

    def aria_sort(self, sort: str) -> str:
        """Return how a column is sorted."""
        if sort != self.sort:
            return "none"
        return "descending" if self.descending else "ascending"


def read_listing(
    path: str,
    parameters: Parameters,
    defaults: Mapping[str, bool],
    extra: Sequence[str] = (),
) -> Listing:
    """
    Read what an address asks for; what makes no sense is as if it were not there.

    :param defaults: The orders there are, the usual one first, and whether each begins at its end.
    :param extra: Names of other parameters to carry along.
    """
    sort = parameters.one("sort")
    sort = sort if sort in defaults else next(iter(defaults))
    page = parameters.one("page")
    return Listing(
        path,
        parameters.one("q")[:200],
        sort,
        {"asc": False, "desc": True}.get(parameters.one("dir"), defaults[sort]),
        max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 9 else 1,
        tuple((name, parameters.one(name)) for name in extra if parameters.one(name)),
        defaults,
    )


@frozen
class Page(Generic[T]):
    """
    Part of a list.

    :ivar first: The number of its first row, from 1; 0 if there is none.
    :ivar total: How many rows there are on all pages.
    """

    rows: Sequence[T]
    number: int
    pages: int
    first: int
    total: int

    @property
    def last(self) -> int:
        """The number of its last row."""
        return self.first + len(self.rows) - 1 if self.rows else 0


def page_of(everything: Sequence[T], number: int, rows: int = ROWS) -> Page[T]:
    """Cut out a page; one behind the end is the last."""
    pages = max(1, -(-len(everything) // rows))
    number = min(number, pages)
    start = (number - 1) * rows
    cut = everything[start : start + rows]
    return Page(cut, number, pages, start + 1 if cut else 0, len(everything))
