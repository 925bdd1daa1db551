from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from holm_registry.oci.names import MAX_REPOSITORY_LENGTH, is_component
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import StorageUnavailable

from .store_warnings import StoreWarnings

#: Either of these makes a folder a repository; an upload that was only begun does not.
_MARKS = frozenset({"_layers", "_manifests"})


class Catalog:
    """
    All repositories, in the order of their whole names.

    A folder whose name is none of a repository is not ours: what other programs keep on a volume.

    :see: distribution, HTTP API V2, "Listing Repositories".
    """

    def __init__(self, driver: Driver, complaints: StoreWarnings) -> None:
        self._driver = driver
        self._complaints = complaints

    def page(
        self, page: PageRequest, seen: Callable[[str], bool] | None = None
    ) -> tuple[list[str], bool]:
        """
        List repositories in order.

        :param seen: Tells which are to be listed; None for all.
        :return: The names, and whether more follow.
        """
        if page.limit == 0:
            return [], False
        found = self._below("", self._driver.folders(layout.REPOSITORIES), page.last)
        if seen is not None:
            found = filter(seen, found)
        names = list(islice(found, page.limit))
        return names, next(found, None) is not None

    def _below(self, parent: str, inside: Sequence[str], last: str) -> Iterator[str]:
        """
        Walk the repositories whose names begin with ``parent`` and come behind ``last``.

        :param inside: The folders in the parent's folder.

        A folder stands in the list twice: as ``a`` for itself and as ``a/`` for all below it, since
        ``a-b`` comes between the two.
        """
        names = [f"{parent}{name}" for name in inside if is_component(name)]
        opened: dict[str, Sequence[str]] = {}
        for key in sorted([*names, *(f"{name}/" for name in names)]):
            name = key.removesuffix("/")
            if key <= last and not last.startswith(f"{name}/"):
                continue
            if name not in opened:
                opened[name] = self._inside(name)
            if key != name:
                yield from self._below(key, opened.pop(name), last)
            elif key > last and not _MARKS.isdisjoint(opened[name]):
                yield key

    def _inside(self, name: str) -> Sequence[str]:
        """Name what is in a folder; one that cannot be read costs what is in it, and no more."""
        if len(name) > MAX_REPOSITORY_LENGTH:
            return ()
        try:
            return self._driver.folders(layout.repository(name))
        except StorageUnavailable as problem:
            self._complaints.add(layout.repository(name), problem)
            return ()
