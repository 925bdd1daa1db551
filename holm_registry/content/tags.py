from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import Denied, ManifestUnknown, NameUnknown
from holm_registry.oci.names import is_tag
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.errors import NotFound, StorageUnavailable
from holm_registry.storage.local_driver import LocalDriver

from .link_files import LinkFiles
from .locks import StripedLocks, alone
from .store_warnings import StoreWarnings


class Tags:
    """
    The tags of repositories.

    :param immutable_pattern: Returns the pattern that makes a tag immutable; None if it may move.
    :see: OCI distribution-spec, "Listing Tags", "Deleting tags".
    """

    def __init__(
        self,
        driver: LocalDriver,
        links: LinkFiles,
        frozen_by: Callable[[str], str | None],
        complaints: StoreWarnings,
    ) -> None:
        self._complaints = complaints
        self._driver = driver
        self._links = links
        self._frozen_by = frozen_by
        self._locks = StripedLocks()

    def cached(self, repository: str, tag: str) -> Digest | None:
        """
        Return what a tag points at if that is known and still true.

        :raises NotFound: There is no such tag.
        """
        return self._links.cached(layout.tag_current_link(repository, tag))

    def get(self, repository: str, tag: str) -> Digest:
        """
        Return what a tag points at.

        :raises ManifestUnknown: There is no such tag.
        """
        try:
            return self._links.read(layout.tag_current_link(repository, tag))
        except NotFound:
            raise _unknown(tag) from None

    def point(
        self, repository: str, tags: Sequence[str], digest: Digest
    ) -> Mapping[str, Digest | None]:
        """
        Point tags at a manifest, durably: all of them, or none.

        Whether each may move is checked while no other request can move any of them, in this server
        or in another of the volume. If one cannot be written, those before it go back.

        :return: What each pointed at before.
        :raises Denied: One points at another manifest, and has to stay there.
        :raises TooManyRequests: Another server of the volume is moving one of them.
        """
        with self._only_here(repository, tags):
            before = {tag: self._before(repository, tag) for tag in tags}
            for tag in before:
                self.require_mutable(repository, tag, digest)
            self._put_all(repository, before, digest)
        return before

    @contextmanager
    def _only_here(self, repository: str, tags: Collection[str]) -> Iterator[None]:
        """Keep all others who move or delete one of some tags out, also in other servers."""
        names = [f"{repository}:{tag}" for tag in tags]
        with self._locks.hold_all(names), alone(self._driver, "tags", names):
            yield

    def _put_all(
        self, repository: str, before: Mapping[str, Digest | None], digest: Digest
    ) -> None:
        moved: list[str] = []
        try:
            for tag in before:
                moved.append(tag)
                self._remember_move(repository, tag, digest, before[tag])
                self._put(repository, tag, digest)
        except StorageUnavailable:
            for tag in moved:
                # What cannot go back now points at what was pushed; the push can be sent again.
                with suppress(StorageUnavailable):
                    self._restore(repository, tag, digest, before[tag])
            raise

    def _put(self, repository: str, tag: str, digest: Digest) -> None:
        """
        Point a tag at a manifest.

        Where it points comes first for a new tag, and its folder with it: a crash between the two
        leaves a tag that works, without the memory of it that registry:2 keeps, rather than the
        reverse.
        """
        self._links.put(layout.tag_current_link(repository, tag), digest)
        self._remember(repository, tag, digest)

    def _remember_move(
        self, repository: str, tag: str, digest: Digest, previous: Digest | None
    ) -> None:
        """
        Remember both ends of a move before a tag moves.

        Should what it points at become unreadable, a collection keeps what its memory has.
        """
        if previous is not None:
            self._remember(repository, tag, previous)
            self._remember(repository, tag, digest)

    def _remember(self, repository: str, tag: str, digest: Digest) -> None:
        path = layout.tag_index_link(repository, tag, digest)
        try:
            self._driver.stat(path)
        except (NotFound, StorageUnavailable):
            self._links.put(path, digest)

    def _restore(self, repository: str, tag: str, digest: Digest, previous: Digest | None) -> None:
        if previous == digest or self.target(repository, tag) != digest:
            return
        if previous is None:
            self._driver.delete_folder(layout.tag(repository, tag))
        else:
            self._links.put(layout.tag_current_link(repository, tag), previous)

    def require_mutable(self, repository: str, tag: str, digest: Digest) -> None:
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
        Remove a tag alone, also one that is listed and points nowhere.

        :raises ManifestUnknown: There is no such tag.
        """
        with self._only_here(repository, [tag]):
            if not self._is_there(repository, tag):
                raise _unknown(tag)
            self._driver.delete_folder(layout.tag(repository, tag))

    def delete_pointing_at(self, repository: str, digest: Digest) -> None:
        """Remove every tag that points at a manifest, whatever is pointed elsewhere meanwhile."""
        for tag in self.pointing_at(repository, digest):
            with self._only_here(repository, [tag]):
                if self._points_at(repository, tag, digest):
                    self._driver.delete_folder(layout.tag(repository, tag))

    def pointing_at(self, repository: str, digest: Digest) -> Iterator[str]:
        """Return every tag that points at a manifest."""
        for tag in filter(is_tag, self._driver.folders(layout.tags(repository))):
            if self._points_at(repository, tag, digest):
                yield tag

    def page(self, repository: str, page: PageRequest) -> tuple[Sequence[str], bool]:
        """
        List tags in order.

        A tag is a folder whose name can be one: what other programs keep on a volume is not ours.
        Ours appear with their links in them and go with them; one that another server left empty
        when it died is listed as that server lists it, and can be deleted.

        :return: The names, and whether more follow.
        :raises NameUnknown: There is no such repository.
        """
        names = self._driver.folders(layout.tags(repository))
        if not names:
            self._require(repository)
        found = filter(is_tag, islice(names, bisect_right(names, page.last), None))
        listed = tuple(islice(found, page.limit))
        return listed, next(found, None) is not None

    def _require(self, repository: str) -> None:
        known = {"_layers", "_manifests", "_uploads"}
        if known.isdisjoint(self._driver.folders(layout.repository(repository))):
            raise NameUnknown(detail={"name": repository})

    def take_back(self, repository: str, tag: str, digest: Digest, previous: Digest | None) -> None:
        """
        Point a tag that still points at a manifest that is lost at another one again, or at none.
        """
        with self._only_here(repository, [tag]):
            self._restore(repository, tag, digest, None if previous == digest else previous)

    def _before(self, repository: str, tag: str) -> Digest | None:
        """Return what a tag points at; None also for one that cannot be read, if it may move."""
        try:
            return self.target(repository, tag)
        except StorageUnavailable:
            if self._frozen_by(tag) is not None:
                raise
            return None

    def _is_there(self, repository: str, tag: str) -> bool:
        try:
            if self.target(repository, tag) is not None:
                return True
        except StorageUnavailable:
            return True
        return tag in self._driver.folders(layout.tags(repository))

    def _points_at(self, repository: str, tag: str, digest: Digest) -> bool:
        """Return whether a tag points at a manifest; one that cannot be read points at none."""
        try:
            return self.target(repository, tag) == digest
        except StorageUnavailable as problem:
            self._complaints.add(layout.tag_current_link(repository, tag), problem)
            return False

    def target(self, repository: str, tag: str) -> Digest | None:
        """Return what a tag points at; None if there is no such tag."""
        try:
            return self._links.read(layout.tag_current_link(repository, tag))
        except NotFound:
            return None


def _unknown(tag: str) -> ManifestUnknown:
    return ManifestUnknown(f"tag {tag} unknown", detail={"tag": tag})
