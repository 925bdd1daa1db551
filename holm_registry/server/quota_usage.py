"""
Count the bytes that repositories use, for quotas, while the registry serves requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
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

#: How often to count again, since collections and other servers of the volume change the use.
INTERVAL_SECONDS = 3600.0

_log = Logger()


class UsageCounter(Service):
    """
    Counts at the start, every hour, and after each maintenance run.

    Until the first count is complete, quotas ignore content from before the start.
    """

    def __init__(self, reactor: Any, driver: Driver, quotas: Quotas) -> None:
        self._reactor = reactor
        self._driver = driver
        self._quotas = quotas
        self._threads = PooledThreads(reactor, 1)
        self._call: IDelayedCall | None = None
        self._counting: Deferred[None] | None = None
        self._is_outdated = False

    def startService(self) -> None:
        """Start the first count."""
        super().startService()
        self._threads.start()
        self.count()

    def stopService(self) -> Deferred[None]:
        """Stop counting; a count in progress ends at its next repository."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()
        return self._threads.stop()

    def count(self) -> None:
        """Count all repositories; after the count in progress, if there is one."""
        if not self.running or self._counting is not None:
            self._is_outdated = True
            return
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._is_outdated = False
        self._counting = self._threads.run(self._count)
        self._counting.addErrback(_log_failure)
        self._counting.addCallback(self._counted)

    def _counted(self, _: object) -> None:
        self._counting = None
        if self._is_outdated:
            self.count()
        elif self.running:
            self._call = self._reactor.callLater(INTERVAL_SECONDS, self.count)

    def _count(self) -> None:
        counted = set()
        for name in repositories(self._driver, _log_uncounted):
            if not self.running:
                return
            if self._quotas.covers(name):
                counted.add(name)
        for name in sorted(counted.union(self._quotas.known())):
            if not self.running:
                return
            try:
                self._quotas.count(name, partial(measure_usage, self._driver, name))
            except StorageUnavailable as problem:
                _log_uncounted(name, problem)


def used_bytes(driver: Driver, repository: str) -> int:
    """Return the bytes that a repository's blobs and manifests use, each counted once."""
    return sum(measure_usage(driver, repository).content.values())


def measure_usage(driver: Driver, repository: str) -> RepositoryUse:
    """
    Return the sizes of a repository's content and of its upload sessions, in bytes.

    Content that cannot be read does not count.
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
    """Return the digest in a link, nearly always that of its path, and the size of the blob."""
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


def _log_uncounted(where: str, problem: StorageUnavailable) -> None:
    _log.warn("cannot count the use of {where}: {problem}", where=where, problem=problem)


def _log_failure(failure: Failure) -> None:
    """Log why a count has failed; the next one comes in an hour."""
    if failure.check(StorageUnavailable, VolumeLost):
        _log.warn("cannot count the use of repositories: {reason}", reason=failure.value)
    else:
        _log.failure("counting the use of repositories failed", failure)
