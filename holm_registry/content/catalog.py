from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from holm_registry.oci.paging import Page
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver

#: Either of these makes a folder a repository; an upload that was only begun does not.
_MARKS = frozenset({"_layers", "_manifests"})


class Catalog:
    """
    All repositories, in the order of their whole names.

    :see: distribution, HTTP API V2, "Listing Repositories".
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def page(self, page: Page) -> tuple[list[str], bool]:
        """
        List repositories in order.

        :return: The names, and whether more follow.
        """
        if page.limit == 0:
            return [], False
        found = self._below("", page.last)
        names = list(islice(found, page.limit))
        return names, next(found, None) is not None

    def _below(self, parent: str, last: str) -> Iterator[str]:
        """
        Walk the repositories whose names begin with ``parent`` and come behind ``last``.

        A folder stands in the list twice: as ``a`` for itself and as ``a/`` for all below it, since
        ``a-b`` comes between the two.
        """
        folder = layout.repository(parent.rstrip("/")) if parent else layout.REPOSITORIES
        folders = self._driver.folders(folder)
        names = [f"{parent}{name}" for name in folders if not name.startswith("_")]
        for key in sorted([*names, *(f"{name}/" for name in names)]):
            if key.endswith("/"):
                if key > last or last.startswith(key):
                    yield from self._below(key, last)
            elif key > last and self._is_repository(key):
                yield key

    def _is_repository(self, name: str) -> bool:
        return not _MARKS.isdisjoint(self._driver.folders(layout.repository(name)))
