"""
Link files: a digest in a file, at a path that says what it is for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import DigestInvalid
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound

#: More than any link has, in bytes: what is longer says nothing.
MAX_LINK_BYTES = 4096

#: How many links to remember, at about 600 bytes each.
MAX_LINKS = 8192


class LinkFiles:
    """Reads links, and remembers each for as long as its file's version stands."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._lock = Lock()
        self._known: OrderedDict[str, tuple[Hashable, Digest]] = OrderedDict()

    def cached(self, path: str) -> Digest | None:
        """
        Return where a link leads if that is known and still true.

        :raises NotFound: There is no link.
        """
        return self._recall(path, self._driver.stat(path).version)

    def last_known(self, path: str) -> Digest | None:
        """Return where a link led when it was last read, if that is known."""
        with self._lock:
            known = self._known.get(path)
            return None if known is None else known[1]

    def read(self, path: str, named: Digest | None = None) -> Digest:
        """
        Return where a link leads.

        :param named: The digest that the link's path names. An empty or torn file (registry:2
            writes links in place) then still says which blob it was for.
        :raises NotFound: There is no link, or it says nothing and its path does not either.
        """
        stat = self._driver.stat(path)
        version = stat.version
        known = self._recall(path, version)
        if known is not None:
            return known
        content = self._driver.read(path) if stat.size_bytes <= MAX_LINK_BYTES else b""
        try:
            digest = Digest.parse(content.decode("ascii", "replace").strip())
        except DigestInvalid:
            if named is None:
                raise NotFound(path) from None
            digest = named
        self._remember(path, version, digest)
        return digest

    def put(self, path: str, digest: Digest) -> None:
        """Make a link, durably, or point an existing one elsewhere."""
        self._driver.put(path, str(digest).encode())

    def _recall(self, path: str, version: Hashable | None) -> Digest | None:
        with self._lock:
            known = self._known.get(path)
            if known is None or version is None or known[0] != version:
                return None
            self._known.move_to_end(path)
            return known[1]

    def _remember(self, path: str, version: Hashable | None, digest: Digest) -> None:
        if version is None:
            return
        with self._lock:
            self._known[path] = (version, digest)
            if len(self._known) > MAX_LINKS:
                self._known.popitem(last=False)
