"""
Which upload sessions are in progress, whose they are, and which of them gives way to another.
"""

from __future__ import annotations

import os
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from itertools import chain
from threading import Lock

from attrs import define, evolve

from holm_registry.oci.errors import TooManyRequests
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import NotFound, UploadBusy

from .quotas import Quotas

#: From when on a session without bytes gives way to any other, in seconds.
EMPTY_SECONDS = 60.0

#: From when on a session with bytes does, in seconds.
IDLE_SECONDS = 3600.0

#: How many sessions one push takes, at the most in common: clients send few layers at once.
FEW = 16

#: From when on a session gives way to a client that has few, in seconds.
LEFT_SECONDS = 20.0

#: How often to look for sessions that others have left, in seconds.
_LOOK_SECONDS = 60.0

#: How many to try that turn out to be in use.
_ATTEMPTS = 8


@define
class _Session:
    """
    A session, as it was when a request last had to do with it.

    :ivar owner: The client that began it, a user or an address; empty if that is not known.
    :ivar since: When that was, by the clock.
    """

    repository: str
    owner: str
    size_bytes: int
    since: float


class UploadSessions:
    """
    The upload sessions in progress that this server has had to do with, up to a number of them.

    Clients share that number. When it is reached, a session of the client that has most of them
    gives way, if that is more than the one who asks has: an empty one before one with bytes, and of
    these the longest idle. So does any session that was idle for long, and sooner to a client that
    has few: many addresses at once keep no client out either. Where a quota has no room,
    sessions that were idle for long give way as well. One that a request is writing to never does.
    Safe to use from several threads.

    :param most: How many there may be; 0 for any number.
    :param clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        driver: Driver,
        quotas: Quotas,
        most: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._quotas = quotas
        self._most = most
        self._clock = clock
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        # In the order in which they became idle.
        self._empty: OrderedDict[str, _Session] = OrderedDict()
        self._filled: OrderedDict[str, _Session] = OrderedDict()
        self._busy: dict[str, _Session] = {}
        self._looked = -_LOOK_SECONDS
        quotas.give_way = self._make_room

    def acquire(self, repository: str, path: str, owner: str) -> None:
        """
        Let a session begin, and count it until it ends.

        :param path: Where its bytes will be.
        :param owner: The client that begins it.
        :raises TooManyRequests: There are too many, and none gives way.
        """
        for _ in range(_ATTEMPTS):
            with self._lock:
                victim = self._victim(owner) if self._is_full() else None
                if victim is None and not self._is_full():
                    self._add(path, _Session(repository, owner, 0, self._clock()))
                    return
            if victim is None:
                break
            self._remove(*victim)
        raise TooManyRequests(
            f"{self._most} uploads are in progress, which is the limit; "
            f"{self._counts[owner]} of them are yours",
            headers={"Retry-After": "60"},
        )

    def mark_busy(self, repository: str, path: str, size_bytes: int) -> None:
        """Note that a request is writing to a session, which was perhaps begun elsewhere."""
        self._quotas.note(repository, path, size_bytes)
        with self._lock:
            found = self._drop(path) or _Session(repository, "", size_bytes, 0.0)
            self._counts[found.owner] += 1
            self._busy[path] = found

    def grow(self, repository: str, path: str, more_bytes: int) -> None:
        """
        Count bytes that a session is about to get.

        :raises QuotaExceeded: Its repository has no room for them.
        """
        self._quotas.grow(repository, path, more_bytes)

    def note(self, repository: str, path: str, size_bytes: int) -> None:
        """Count a session as large as it is."""
        self._quotas.note(repository, path, size_bytes)

    def mark_idle(self, path: str, size_bytes: int) -> None:
        """Note that a session is left to a later request."""
        with self._lock:
            found = self._drop(path)
            if found is not None:
                found.size_bytes, found.since = size_bytes, self._clock()
                self._add(path, found)

    def release(self, repository: str, path: str) -> None:
        """Count a session out; fine if it was not counted."""
        with self._lock:
            self._drop(path)
        self._quotas.end(repository, path)

    def _is_full(self) -> bool:
        count = len(self._empty) + len(self._filled) + len(self._busy)
        return bool(self._most) and count >= self._most

    def _add(self, path: str, session: _Session) -> None:
        if not self._most and not self._quotas.covers(session.repository):
            # No client will resume it.
            return
        self._counts[session.owner] += 1
        (self._filled if session.size_bytes else self._empty)[path] = session

    def _drop(self, path: str) -> _Session | None:
        for sessions in (self._empty, self._filled, self._busy):
            found = sessions.pop(path, None)
            if found is not None:
                self._counts[found.owner] -= 1
                if not self._counts[found.owner]:
                    del self._counts[found.owner]
                return found
        return None

    def _victim(self, owner: str) -> tuple[str, _Session] | None:
        """Choose a session that gives way to one of a client; taken out of the count already."""
        own = self._counts[owner]
        most = max(self._counts.values(), default=0)
        # Of two with nearly as many neither takes from the other; a first one always finds a place.
        least = own + 2 if own else 1
        for count in (most, least) if most >= least else ():
            for path, found in chain(self._empty.items(), self._filled.items()):
                if found.owner != owner and self._counts[found.owner] >= count:
                    self._drop(path)
                    return path, found
        found_idle = next(self._idle(LEFT_SECONDS if own < FEW else IDLE_SECONDS), None)
        if found_idle is not None:
            self._drop(found_idle[0])
        return found_idle

    def _idle(self, seconds: float) -> Iterator[tuple[str, _Session]]:
        """Return the sessions that were idle for so long, the longest idle first."""
        now = self._clock()
        for sessions, least in ((self._empty, EMPTY_SECONDS), (self._filled, IDLE_SECONDS)):
            for path, found in sessions.items():
                if now - found.since < min(seconds, least):
                    break
                yield path, found

    def _make_room(self, prefix: str) -> bool:
        """Remove what is parked below a prefix and idle for long; tell whether there was any."""
        with self._lock:
            victims = [
                (path, found)
                for path, found in self._idle(IDLE_SECONDS)
                if found.size_bytes and found.repository.startswith(prefix)
            ][:_ATTEMPTS]
            for path, _ in victims:
                self._drop(path)
        removed = [self._remove(path, found) for path, found in victims]
        return any(removed) or self._remove_unknown(prefix)

    def _remove_unknown(self, prefix: str) -> bool:
        """Do so with sessions that others have left, or this server before it was started anew."""
        with self._lock:
            now = self._clock()
            if now - self._looked < _LOOK_SECONDS:
                # Many who are refused must not have all of them looked at each time.
                return False
            self._looked = now
        before = self._driver.seconds() - IDLE_SECONDS
        removed = []
        for repository, path in self._quotas.parked(prefix):
            try:
                stat = self._driver.stat(path)
            except NotFound:
                removed.append(True)
                self._quotas.end(repository, path)
                continue
            if not self._is_known(path) and stat.modified < before:
                removed.append(self._remove(path, _Session(repository, "", stat.size_bytes, now)))
        return any(removed)

    def _is_known(self, path: str) -> bool:
        with self._lock:
            return path in self._empty or path in self._filled or path in self._busy

    def _remove(self, path: str, found: _Session) -> bool:
        """Throw a session away; if it turns out to be in use, keep it as just used, and tell."""
        try:
            upload = self._driver.open_upload(path)
        except NotFound:
            # Purged, or ended by another server.
            self._quotas.end(found.repository, path)
            return True
        except UploadBusy:
            self._keep(path, found)
            return False
        try:
            if upload.size_bytes != found.size_bytes:
                # Another server has written to it.
                self._keep(path, evolve(found, size_bytes=upload.size_bytes))
                return False
            self._driver.delete_folder(os.path.dirname(path), durably=False)
        finally:
            upload.close()
        self._quotas.end(found.repository, path)
        return True

    def _keep(self, path: str, found: _Session) -> None:
        with self._lock:
            if not (path in self._empty or path in self._filled or path in self._busy):
                found.since = self._clock()
                self._add(path, found)
