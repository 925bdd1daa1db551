"""
What repositories hold, counted while the registry serves: what quotas are held against.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.content.quotas import Quotas, RepositoryUse
from holm_registry.gc.inventory import Unreadable, digests_in, read_link, repositories
from holm_registry.oci.digest import ALGORITHMS, Digest
from holm_registry.oci.names import is_session_id
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, StorageUnavailable, VolumeLost
from holm_registry.threads import PooledThreads

#: How often to count anew: other servers of the volume, and collections, change what is there.
INTERVAL_SECONDS = 3600.0

_log = Logger()


class UsageCounter(Service):
    """
    Counts at the start, every hour, and whenever it is told that much may have changed.

    Until the first count is done, what was there before is not counted against any quota.
    """

    def __init__(self, reactor: Any, driver: Driver, quotas: Quotas) -> None:
        self._reactor = reactor
        self._driver = driver
        self._quotas = quotas
        self._threads = PooledThreads(reactor, 1)
        self._call: Any = None
        self._counting: Deferred[None] | None = None
        self._again = False

    def startService(self) -> None:
        """Begin to count."""
        super().startService()
        self._threads.start()
        self.count()

    def stopService(self) -> Deferred[None]:
        """Count no more; what is being counted is left at the next repository."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()
        return self._threads.stop()

    def count(self) -> None:
        """Count everything, as soon as the count that is under way is done."""
        if not self.running or self._counting is not None:
            self._again = True
            return
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._again = False
        self._counting = self._threads.run(self._count)
        self._counting.addErrback(_tell)
        self._counting.addCallback(self._counted)

    def _counted(self, _: object) -> None:
        self._counting = None
        if self._again:
            self.count()
        elif self.running:
            self._call = self._reactor.callLater(INTERVAL_SECONDS, self.count)

    def _count(self) -> None:
        found = set()
        for name in repositories(self._driver, _tell_unlisted):
            if not self.running:
                return
            if self._quotas.covers(name):
                found.add(name)
        for name in sorted(found.union(self._quotas.known())):
            if not self.running:
                return
            try:
                self._quotas.count(name, partial(measure, self._driver, name))
            except StorageUnavailable as problem:
                _tell_unlisted(name, problem)


def held_bytes(driver: Driver, repository: str) -> int:
    """Tell how many bytes the content of a repository has: each of its blobs and manifests once."""
    return sum(measure(driver, repository).content.values())


def measure(driver: Driver, repository: str) -> RepositoryUse:
    """
    Look what a repository holds, and what is parked in its upload sessions.

    What cannot be seen is not counted against anybody.
    """
    content = dict(_content(driver, repository))
    sessions = {}
    for session_id in filter(is_session_id, driver.folders(layout.uploads(repository))):
        path = layout.upload_data(repository, session_id)
        size = _size(driver, path)
        if size is not None:
            sessions[path] = size
    return RepositoryUse(content, sessions)


def _content(driver: Driver, repository: str) -> Iterator[tuple[Digest, int]]:
    for algorithm in ALGORITHMS:
        for digest in digests_in(driver, algorithm, layout.layers_by(repository, algorithm)):
            yield _target(driver, digest, layout.layer_link(repository, digest))
        for digest in digests_in(driver, algorithm, layout.revisions(repository, algorithm)):
            yield _target(driver, digest, layout.revision_link(repository, digest))


def _target(driver: Driver, digest: Digest, link: str) -> tuple[Digest, int]:
    """Find what a link leads to: nearly always what its path says; and its size."""
    size = _size(driver, layout.blob_data(digest))
    if size is None:
        try:
            digest = read_link(driver, link)
        except (NotFound, Unreadable):
            return digest, 0
        size = _size(driver, layout.blob_data(digest))
    return digest, size or 0


def _size(driver: Driver, path: str) -> int | None:
    try:
        return driver.stat(path).size_bytes
    except (NotFound, StorageUnavailable):
        return None


def _tell_unlisted(where: str, problem: StorageUnavailable) -> None:
    _log.warn("cannot count the content of {where}: {problem}", where=where, problem=problem)


def _tell(failure: Failure) -> None:
    """Say why it failed, whatever it was: it is tried again in an hour."""
    if failure.check(StorageUnavailable, VolumeLost):
        _log.warn("cannot count what repositories hold: {reason}", reason=failure.value)
    else:
        _log.failure("counting what repositories hold failed", failure)
