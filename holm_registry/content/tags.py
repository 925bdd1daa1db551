from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import Denied, ManifestUnknown, NameUnknown
from holm_registry.oci.paging import Page
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound

from .links import Links
from .locks import Locks


class Tags:
    """
    The tags of repositories.

    :param frozen_by: Gives the pattern by which a tag stays where it is; None if it may move.
    :see: OCI distribution-spec, "Listing Tags", "Deleting tags".
    """

    def __init__(
        self,
        driver: Driver,
        links: Links,
        frozen_by: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._driver = driver
        self._links = links
        self._frozen_by = frozen_by
        self._locks = Locks()

    def peek(self, repository: str, tag: str) -> Digest | None:
        """
        Give what a tag points at if that is known and still true.

        :raises NotFound: There is no such tag.
        """
        return self._links.peek(layout.tag_current_link(repository, tag))

    def get(self, repository: str, tag: str) -> Digest:
        """
        Give what a tag points at.

        :raises ManifestUnknown: There is no such tag.
        """
        try:
            return self._links.resolve(layout.tag_current_link(repository, tag))
        except NotFound:
            raise ManifestUnknown(f"tag {tag} unknown", detail={"tag": tag}) from None

    def put(self, repository: str, tag: str, digest: Digest) -> None:
        """
        Point a tag at a manifest, durably.

        :raises Denied: It points at another one, and has to stay there.

        Where it points comes first, and its folder with it: a crash between the two leaves a tag
        that works, without the memory of it that registry:2 keeps, rather than the reverse.
        """
        with self._locks.hold(repository, tag):
            self.require_movable(repository, tag, digest)
            self._links.put(layout.tag_current_link(repository, tag), digest)
            self._links.put(layout.tag_index_link(repository, tag, digest), digest)

    def require_movable(self, repository: str, tag: str, digest: Digest) -> None:
        """
        Make sure that a tag may be pointed at a manifest.

        :raises Denied: It points at another one, and has to stay there.
        """
        pattern = self._frozen_by(tag)
        if pattern is not None and self.target(repository, tag) not in (None, digest):
            raise Denied(
                f"tag {tag} is immutable: tags.immutable has {pattern!r}", detail={"tag": tag}
            )

    def delete(self, repository: str, tag: str) -> None:
        """
        Remove a tag alone.

        :raises ManifestUnknown: There is no such tag.
        """
        with self._locks.hold(repository, tag):
            self.get(repository, tag)
            self._driver.delete_folder(layout.tag(repository, tag))

    def delete_pointing_at(self, repository: str, digest: Digest) -> None:
        """Remove every tag that points at a manifest, whatever is pointed elsewhere meanwhile."""
        for tag in self.pointing_at(repository, digest):
            with self._locks.hold(repository, tag):
                if self.target(repository, tag) == digest:
                    self._driver.delete_folder(layout.tag(repository, tag))

    def pointing_at(self, repository: str, digest: Digest) -> Iterator[str]:
        """Give every tag that points at a manifest."""
        for tag in self._driver.folders(layout.tags(repository)):
            if self.target(repository, tag) == digest:
                yield tag

    def page(self, repository: str, page: Page) -> tuple[Sequence[str], bool]:
        """
        List tags in order.

        A tag is a folder. Ours appear with their links in them and go with them; one that another
        server left empty when it died is listed as that server lists it.

        :return: The names, and whether more follow.
        :raises NameUnknown: There is no such repository.
        """
        names = self._driver.folders(layout.tags(repository))
        if not names:
            self._require(repository)
        start = bisect_right(names, page.last)
        stop = len(names) if page.limit is None else start + page.limit
        return names[start:stop], stop < len(names)

    def _require(self, repository: str) -> None:
        known = {"_layers", "_manifests", "_uploads"}
        if known.isdisjoint(self._driver.folders(layout.repository(repository))):
            raise NameUnknown(detail={"name": repository})

    def take_back(self, repository: str, tag: str, digest: Digest, previous: Digest | None) -> None:
        """Point a tag that still points at a manifest at another one again, or at none."""
        with self._locks.hold(repository, tag):
            if self.target(repository, tag) != digest:
                return
            if previous is None or previous == digest:
                self._driver.delete_folder(layout.tag(repository, tag))
            else:
                self._links.put(layout.tag_current_link(repository, tag), previous)

    def target(self, repository: str, tag: str) -> Digest | None:
        """Give what a tag points at; None if there is no such tag."""
        try:
            return self._links.resolve(layout.tag_current_link(repository, tag))
        except NotFound:
            return None
