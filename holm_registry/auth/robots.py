"""
Robot accounts: logins for programs, each with a key, a scope and an optional time of expiry.

Each robot is a file on the volume, ``_maintenance/robots/NAME.json``. It is created and revoked
atomically, and every server of the volume sees the change with the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress

import msgspec
from attrs import frozen
from msgspec import Struct

from holm_registry.atomic_file import create_file, sync_entry
from holm_registry.regular_file import open_regular

from .rules import RepositoryPattern, RuleScope

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

#: The prefix of each key, by which secret scanners find keys.
_PREFIX = "holm_"

#: The maximum size of a robot's file, in bytes.
_MAX_FILE_BYTES = 1024 * 1024

#: The maximum number of cached robots.
_MAX_CACHED = 1024


class RobotInvalid(Exception):
    """A robot's name is not valid, already used, or not known; or its file is damaged."""


class _Record(Struct):
    hash: str
    repositories: list[str]
    actions: list[str]
    created: float
    expires: float | None = None


@frozen
class Robot:
    """
    A robot account.

    :ivar created: The time of creation, in seconds since the epoch.
    :ivar expires: The time of expiry, in seconds since the epoch; None for never.
    """

    name: str
    scope: RuleScope
    created: float
    expires: float | None
    _hash: str

    def has_key(self, key: bytes) -> bool:
        """Return whether a key is the key of this robot."""
        return hmac.compare_digest(_hash_key(key), self._hash)


class RobotAccounts:
    """
    The robot accounts of a volume.

    :param directory: The directory of their files; it may be missing.
    :param warn: Called once with a line for each file that cannot be used.
    :param now: Returns the time in seconds since the epoch.
    :param require_volume: Called if a robot cannot be read; raises an exception while the volume is
        not mounted, because the robot may exist on it.
    """

    def __init__(
        self,
        directory: str,
        warn: Callable[[str], object] = print,
        now: Callable[[], float] = time.time,
        require_volume: Callable[[], object] = lambda: None,
    ) -> None:
        self._directory = directory
        self._warn = warn
        self._now = now
        self._require_volume = require_volume
        self._cached: OrderedDict[str, tuple[Hashable, Robot]] = OrderedDict()
        self._warnings: dict[str, str] = {}

    def get(self, name: str) -> Robot | None:
        """
        Return a robot; None if it does not exist, or has expired.

        Costs one ``stat`` of its file, and a read if the file has changed.

        :raises VolumeLost: The volume is not mounted.
        """
        if _NAME.fullmatch(name) is None:
            return None
        try:
            robot = self._get_cached(name)
        except FileNotFoundError:
            self._require_volume()
            return None
        except (OSError, RobotInvalid) as problem:
            self._require_volume()
            # The name has a file that cannot be used. Their number is limited by the volume.
            if self._warnings.get(name) != str(problem) and len(self._warnings) < _MAX_CACHED:
                self._warnings[name] = str(problem)
                self._warn(f"auth.robots: {problem}")
            return None
        has_expired = robot.expires is not None and robot.expires <= self._now()
        return None if has_expired else robot

    def create(self, name: str, scope: RuleScope, seconds: float | None = None) -> str:
        """
        Create a robot durably.

        :param seconds: The lifetime; None for unlimited.
        :return: The key, which is not stored.
        :raises RobotInvalid: The name is not valid, or already used.
        :raises OSError: The file cannot be written.
        """
        if _NAME.fullmatch(name) is None:
            raise RobotInvalid(f"{name!r} is not a valid name: use a-z, 0-9 and . _ -")
        key = _PREFIX + secrets.token_urlsafe(32)
        now = self._now()
        record = _Record(
            _hash_key(key.encode()),
            [pattern.text for pattern in scope.patterns],
            sorted(scope.actions),
            now,
            None if seconds is None else now + seconds,
        )
        self._write(name, msgspec.json.encode(record))
        return key

    def revoke(self, name: str) -> None:
        """
        Revoke a robot durably.

        :raises RobotInvalid: The robot does not exist.
        :raises OSError: The file cannot be removed.
        """
        exists = _NAME.fullmatch(name) is not None
        if exists:
            try:
                os.unlink(self._path(name))
                # A revoked robot must not return after a power failure.
                sync_entry(self._path(name))
            except FileNotFoundError:
                exists = False
        if not exists:
            raise RobotInvalid(f"robot {name!r} does not exist")

    def list_all(self) -> Iterator[Robot]:
        """Return all robots, with the expired ones, sorted by name."""
        names: list[str] = []
        with suppress(FileNotFoundError):
            names = sorted(os.listdir(self._directory))
        for file in names:
            name, _, suffix = file.rpartition(".")
            if suffix == "json" and _NAME.fullmatch(name):
                yield self._get_cached(name)

    def _get_cached(self, name: str) -> Robot:
        stat = os.stat(self._path(name))
        version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        cached = self._cached.get(name)
        if cached is None or cached[0] != version:
            cached = self._cached[name] = (version, self._read(name))
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        return cached[1]

    def _read(self, name: str) -> Robot:
        with open(open_regular(self._path(name)), "rb") as file:
            content = file.read(_MAX_FILE_BYTES)
        try:
            record = msgspec.json.decode(content, type=_Record)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise RobotInvalid(f"{self._path(name)}: {problem}") from problem
        patterns = tuple(map(RepositoryPattern, record.repositories))
        scope = RuleScope(patterns, frozenset(record.actions))
        return Robot(name, scope, record.created, record.expires, record.hash)

    def _write(self, name: str, content: bytes) -> None:
        os.makedirs(os.path.dirname(self._directory), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(self._directory, 0o700)
            owner = self._volume_owner()
            if owner is not None:
                os.chown(self._directory, *owner)
        try:
            create_file(self._path(name), content, 0o600, self._volume_owner())
        except FileExistsError:
            raise RobotInvalid(f"robot {name!r} already exists") from None

    def _volume_owner(self) -> tuple[int, int] | None:
        """Return the volume's user and group, which need access to files that root creates."""
        if os.geteuid() != 0:
            return None
        status = os.stat(os.path.dirname(self._directory))
        return status.st_uid, status.st_gid

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}.json"


def _hash_key(key: bytes) -> str:
    # A key has 256 random bits: a slow hash would not make it harder to guess.
    return hashlib.sha256(key).hexdigest()
