"""
Users and their passwords, in a file in the format of Apache's ``htpasswd -B``.

:see: distribution, "Configuring a registry", ``htpasswd``: only bcrypt is supported.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

import bcrypt

#: The maximum length of a password, in bytes: bcrypt ignores the rest.
MAX_PASSWORD_BYTES = 72

#: The bcrypt cost of a new password: a check takes about 60 ms on a small machine.
ROUNDS = 10

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_NAME = re.compile(r"[^:\s\x00-\x1f\x7f]+")


class HtpasswdInvalid(Exception):
    """A file of users that cannot be used; the message is the reason, without the content."""


def parse_htpasswd(text: str) -> tuple[dict[str, str], list[str]]:
    """
    Parse a file of users.

    :return: The hash of each user's password, and a warning for each user who cannot log in.
    :raises HtpasswdInvalid: A line is not ``NAME:HASH``.
    """
    users: dict[str, str] = {}
    warnings: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        name, colon, password_hash = line.partition(":")
        if not colon or not name:
            raise HtpasswdInvalid(f"line {number} is not NAME:HASH")
        if _BCRYPT.fullmatch(password_hash) is None:
            warnings.append(f"line {number}: {name!r} cannot log in: not a bcrypt hash")
            continue
        users[name] = password_hash
    return users, warnings


def hash_password(password: bytes) -> str:
    """
    Return the bcrypt hash of a password.

    :raises HtpasswdInvalid: The password is empty or too long.
    """
    if not password:
        raise HtpasswdInvalid("the password is empty")
    if len(password) > MAX_PASSWORD_BYTES:
        raise HtpasswdInvalid(f"the password is longer than {MAX_PASSWORD_BYTES} bytes")
    return bcrypt.hashpw(password, bcrypt.gensalt(ROUNDS)).decode().replace("$2b$", "$2y$", 1)


def require_user_name(name: str) -> str:
    """
    Return a user's name, after checking it.

    :raises HtpasswdInvalid: The name contains characters that the file format does not allow.
    """
    if _NAME.fullmatch(name) is None or name.startswith("#"):
        raise HtpasswdInvalid("a name must not contain a colon or a space, or start with #")
    return name


def _fingerprint(password_hash: str) -> str:
    # The hash contains a salt of 128 random bits: passwords cannot be guessed from this.
    return hashlib.sha256(password_hash.encode()).hexdigest()[:32]


def _cost(password_hash: str) -> int:
    """Return the bcrypt cost of a hash, as a power of two."""
    return int(password_hash[4:6])


class HtpasswdFile:
    """
    A file of users, read again when it has changed. Thread-safe; its methods block.

    :param warn: Called with a line for each problem of a changed file; the previous users stay in
        use.
    :raises HtpasswdInvalid: The file is not valid.
    :raises OSError: The file cannot be read.
    """

    def __init__(self, path: str, warn: Callable[[str], object]) -> None:
        self._path = path
        self._warn = warn
        self._lock = Lock()
        self.version = self._stat()
        self._users: Mapping[str, str] = {}
        self._dummy_hash = ""
        self._read()

    def current_version(self) -> tuple[int, int, int]:
        """Return the version of the file on disk (one ``stat``)."""
        try:
            return self._stat()
        except OSError:
            return self.version

    def check(self, name: str, password: bytes) -> str:
        """
        Verify a user's password; takes as long for a user that does not exist.

        :return: The fingerprint of the hash that the password matches; empty if it is wrong.
        """
        self.reload_if_changed()
        password_hash = self._users.get(name)
        tried = self._dummy_hash if password_hash is None else password_hash
        matches = bcrypt.checkpw(password[:MAX_PASSWORD_BYTES], tried.encode())
        return _fingerprint(password_hash) if matches and password_hash is not None else ""

    def fingerprint(self, name: str) -> str:
        """
        Return the fingerprint of a user's password hash; empty for a user that does not exist.

        It is that of the file when it was last read; needs no bcrypt.
        """
        password_hash = self._users.get(name)
        return "" if password_hash is None else _fingerprint(password_hash)

    def reload_if_changed(self) -> None:
        """Read the file again if it has changed. Keep the previous users if it is not valid."""
        with self._lock:
            try:
                version = self._stat()
                if version == self.version:
                    return
                self.version = version
                self._read()
            except (OSError, HtpasswdInvalid) as problem:
                reason = getattr(problem, "strerror", None) or problem
                self._warn(f"auth.htpasswd.path: {reason}; the previous users stay in use")

    def _read(self) -> None:
        with open(self._path, encoding="utf-8-sig", errors="replace") as file:
            users, warnings = parse_htpasswd(file.read())
        for warning in warnings:
            self._warn(f"auth.htpasswd.path: {warning}")
        self._users = users
        # Verified for a user that does not exist, with the most frequent cost of the file.
        costs = Counter(map(_cost, users.values())) or Counter([ROUNDS])
        salt = bcrypt.gensalt(costs.most_common(1)[0][0])
        self._dummy_hash = bcrypt.hashpw(os.urandom(16), salt).decode()

    def _stat(self) -> tuple[int, int, int]:
        stat = os.stat(self._path)
        return stat.st_mtime_ns, stat.st_ino, stat.st_size
