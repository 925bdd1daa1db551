"""
Users and their passwords, in a file as Apache's ``htpasswd -B`` writes it.

:see: distribution, "Configuring a registry", ``htpasswd``: bcrypt alone is taken.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

import bcrypt

#: What bcrypt looks at of a password, in bytes.
MAX_PASSWORD_BYTES = 72

#: How costly a new password is to try: about 60 ms on a small machine.
ROUNDS = 10

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_NAME = re.compile(r"[^:\s\x00-\x1f\x7f]+")


class HtpasswdInvalid(Exception):
    """A file of users that cannot be used; the text says why, and never what is in it."""


def parse_htpasswd(text: str) -> tuple[dict[str, str], list[str]]:
    """
    Read a file of users.

    :return: The hash of each user's password, and a line for each user who cannot log in.
    :raises HtpasswdInvalid: It is no such file.
    """
    users: dict[str, str] = {}
    warnings: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        if not colon or not name:
            raise HtpasswdInvalid(f"line {number} is not NAME:HASH")
        if _BCRYPT.fullmatch(hashed) is None:
            warnings.append(f"line {number}: {name!r} cannot log in: not a bcrypt hash")
            continue
        users[name] = hashed
    return users, warnings


def hashed(password: bytes) -> str:
    """
    Hash a password.

    :raises HtpasswdInvalid: It is empty, or longer than bcrypt looks at.
    """
    if not password:
        raise HtpasswdInvalid("a password may not be empty")
    if len(password) > MAX_PASSWORD_BYTES:
        raise HtpasswdInvalid(f"a password may have {MAX_PASSWORD_BYTES} bytes at the most")
    return bcrypt.hashpw(password, bcrypt.gensalt(ROUNDS)).decode().replace("$2b$", "$2y$", 1)


def require_name(name: str) -> str:
    """
    Check a user's name.

    :raises HtpasswdInvalid: It holds what separates it from other things.
    """
    if _NAME.fullmatch(name) is None or name.startswith("#"):
        raise HtpasswdInvalid("a name may hold no colon and no space, and not begin with #")
    return name


def _fingerprint(hashed: str) -> str:
    # The salt in it is 128 random bits: nobody can try passwords against this.
    return hashlib.sha256(hashed.encode()).hexdigest()[:32]


def _cost(hashed: str) -> int:
    """Tell how costly a hash is to try, as a power of two."""
    return int(hashed[4:6])


class HtpasswdFile:
    """
    A file of users, read again whenever it has changed. Safe to use from several threads; blocks.

    :param complain: Gets a line for what is wrong with a changed file; the old contents hold on.
    :raises HtpasswdInvalid: It is no such file.
    :raises OSError: It cannot be read.
    """

    def __init__(self, path: str, complain: Callable[[str], object]) -> None:
        self._path = path
        self._complain = complain
        self._lock = Lock()
        self.version = self._stat()
        self._users: Mapping[str, str] = {}
        self._nobody = ""
        self._read()

    def current(self) -> tuple[int, int, int]:
        """Tell which version the file has now; no more than a look at its time."""
        try:
            return self._stat()
        except OSError:
            return self.version

    def check(self, name: str, password: bytes) -> str:
        """
        Check a user's password; this takes as long for a user that does not exist.

        :return: The fingerprint of the hash that the password matches; empty if it is wrong.
        """
        self.refresh()
        known = self._users.get(name)
        tried = self._nobody if known is None else known
        matches = bcrypt.checkpw(password[:MAX_PASSWORD_BYTES], tried.encode())
        return _fingerprint(known) if matches and known is not None else ""

    def fingerprint(self, name: str) -> str:
        """
        Return what changes whenever a user's password does; empty for a user that does not exist.

        It is that of the file as it was last read, and needs no bcrypt.
        """
        known = self._users.get(name)
        return "" if known is None else _fingerprint(known)

    def refresh(self) -> None:
        """Read the file again if it has changed; one that cannot be read changes nothing."""
        with self._lock:
            try:
                version = self._stat()
                if version == self.version:
                    return
                self.version = version
                self._read()
            except (OSError, HtpasswdInvalid) as problem:
                reason = getattr(problem, "strerror", None) or problem
                self._complain(f"auth.htpasswd.path: {reason}; the users from before stay")

    def _read(self) -> None:
        with open(self._path, encoding="utf-8-sig", errors="replace") as file:
            users, warnings = parse_htpasswd(file.read())
        for warning in warnings:
            self._complain(f"auth.htpasswd.path: {warning}")
        self._users = users
        # Tried where there is no such user: it takes as long as for most of those there are.
        costs = Counter(_cost(hashed) for hashed in users.values()) or Counter([ROUNDS])
        self._nobody = bcrypt.hashpw(
            os.urandom(16), bcrypt.gensalt(costs.most_common(1)[0][0])
        ).decode()

    def _stat(self) -> tuple[int, int, int]:
        stat = os.stat(self._path)
        return stat.st_mtime_ns, stat.st_ino, stat.st_size
