"""
Robots: names for programs, each with a key, a scope, and perhaps an end.

A robot is a file of its own on the volume, ``_maintenance/robots/NAME.json``: making one and
revoking it are one step each, seen by every server of the volume with the next request.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress

import msgspec
from attrs import frozen
from msgspec import Struct

from holm_registry.regular_file import open_regular

from .rules import RepositoryPattern, RuleScope

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

#: What each key begins with: programs that look for secrets in files find it by that.
_PREFIX = "holm_"

#: More than a robot's file has, in bytes.
_MAX_BYTES = 1024 * 1024

#: How many to remember.
_MAX_ROBOTS = 1024


class RobotInvalid(Exception):
    """A robot that cannot be: its name is none, or taken, or nobody's."""


class _Record(Struct):
    hash: str
    repositories: list[str]
    actions: list[str]
    created: float
    expires: float | None = None


@frozen
class Robot:
    """
    :ivar expires: When it ends, in seconds since the epoch; None for never.
    """

    name: str
    scope: RuleScope
    created: float
    expires: float | None
    _hash: str

    def has(self, key: bytes) -> bool:
        """Tell whether a key is its own."""
        return hmac.compare_digest(_hashed(key), self._hash)


class RobotAccounts:
    """
    The robots of a volume.

    :param folder: Where their files are; it need not be there.
    :param complain: Gets a line, once, for a file that cannot be used: it lets nobody in.
    :param require_volume: Called where a robot cannot be read; raises an exception while the volume
        is not mounted, since the robot may well exist then.
    :param now: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self,
        folder: str,
        complain: Callable[[str], object] = print,
        now: Callable[[], float] = time.time,
        require_volume: Callable[[], object] = lambda: None,
    ) -> None:
        self._folder = folder
        self._complain = complain
        self._now = now
        self._require_volume = require_volume
        self._known: OrderedDict[str, tuple[Hashable, Robot]] = OrderedDict()
        self._complained: dict[str, str] = {}

    def get(self, name: str) -> Robot | None:
        """
        Give a robot, unless there is none of this name, or it has ended.

        It costs a look at its file's time, and a short reading when that has changed.

        :raises VolumeLost: The volume is not mounted.
        """
        if _NAME.fullmatch(name) is None:
            return None
        try:
            robot = self._current(name)
        except FileNotFoundError:
            self._require_volume()
            return None
        except (OSError, RobotInvalid) as problem:
            self._require_volume()
            # There is a file, or a folder that hides it: so many names, and no more, can come here.
            if self._complained.get(name) != str(problem) and len(self._complained) < _MAX_ROBOTS:
                self._complained[name] = str(problem)
                self._complain(f"auth.robots: {problem}")
            return None
        is_over = robot.expires is not None and robot.expires <= self._now()
        return None if is_over else robot

    def create(self, name: str, scope: RuleScope, seconds: float | None = None) -> str:
        """
        Make a robot, durably.

        :param seconds: How long it is to be good; None for ever.
        :return: Its key, which is kept nowhere.
        :raises RobotInvalid: The name is none, or taken.
        :raises OSError: It cannot be written.
        """
        if _NAME.fullmatch(name) is None:
            raise RobotInvalid(f"{name!r} is no name: letters a-z, digits and . _ - make one")
        key = _PREFIX + secrets.token_urlsafe(32)
        now = self._now()
        record = _Record(
            _hashed(key.encode()),
            [each.text for each in scope.patterns],
            sorted(scope.actions),
            now,
            None if seconds is None else now + seconds,
        )
        self._write(name, msgspec.json.encode(record))
        return key

    def revoke(self, name: str) -> None:
        """
        End a robot.

        :raises RobotInvalid: There is none of this name.
        :raises OSError: It cannot be removed.
        """
        known = _NAME.fullmatch(name) is not None
        if known:
            try:
                os.unlink(self._path(name))
                # What was revoked must not come back with a power cut.
                self._sync()
            except FileNotFoundError:
                known = False
        if not known:
            raise RobotInvalid(f"there is no robot {name!r}")

    def all(self) -> Iterator[Robot]:
        """Give each robot, those that have ended included, in order of their names."""
        names: list[str] = []
        with suppress(FileNotFoundError):
            names = sorted(os.listdir(self._folder))
        for file in names:
            name, _, suffix = file.rpartition(".")
            if suffix == "json" and _NAME.fullmatch(name):
                yield self._current(name)

    def _current(self, name: str) -> Robot:
        stat = os.stat(self._path(name))
        version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        known = self._known.get(name)
        if known is None or known[0] != version:
            known = (version, self._read(name))
            self._known[name] = known
            if len(self._known) > _MAX_ROBOTS:
                self._known.popitem(last=False)
        return known[1]

    def _read(self, name: str) -> Robot:
        with open(open_regular(self._path(name)), "rb") as file:
            content = file.read(_MAX_BYTES)
        try:
            record = msgspec.json.decode(content, type=_Record)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise RobotInvalid(f"{self._path(name)}: {problem}") from problem
        patterns = tuple(map(RepositoryPattern, record.repositories))
        scope = RuleScope(patterns, frozenset(record.actions))
        return Robot(name, scope, record.created, record.expires, record.hash)

    def _write(self, name: str, content: bytes) -> None:
        os.makedirs(os.path.dirname(self._folder), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(self._folder, 0o700)
            self._give_away(self._folder)
        aside = f"{self._folder}/.{uuid.uuid4().hex}"
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                os.write(file, content)
                os.fsync(file)
            finally:
                os.close(file)
            self._give_away(aside)
            # Unlike a renaming, this never takes another robot's place.
            os.link(aside, self._path(name))
            self._sync()
        except FileExistsError:
            raise RobotInvalid(f"there is a robot {name!r} already") from None
        finally:
            os.unlink(aside)

    def _sync(self) -> None:
        """Make the folder's entries durable: whoever has a key must find that it works."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give_away(self, path: str) -> None:
        """Let whoever has the volume read what root has made for them."""
        if os.geteuid() == 0:
            owner = os.stat(os.path.dirname(self._folder))
            os.chown(path, owner.st_uid, owner.st_gid)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}.json"


def _hashed(key: bytes) -> str:
    # A key is 256 bits of chance: nothing slower than this makes it harder to guess.
    return hashlib.sha256(key).hexdigest()
