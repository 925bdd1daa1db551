from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: How long the cache keeps a verified login, in seconds.
CACHE_SECONDS = 300.0

_MAX_ENTRIES = 1024


class CredentialCache:
    """
    A cache of verified logins: bcrypt is slow on purpose, and clients log in with each request.

    The cache holds no passwords: its keys are hashes with a key that only this process has.

    :param clock: Returns a monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = os.urandom(32)
        self._cached: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def add(self, version: Hashable, name: str, password: bytes, fingerprint: str) -> None:
        """
        Add a verified login.

        :param version: The version of the file that the login was verified with; the entry is valid
            for this version only.
        :param fingerprint: The fingerprint of the hash that the password matched.
        """
        expires = self._clock() + CACHE_SECONDS
        self._cached[self._hash(version, name, password)] = (expires, fingerprint)
        if len(self._cached) > _MAX_ENTRIES:
            self._cached.popitem(last=False)

    def get(self, version: Hashable, name: str, password: bytes) -> str:
        """Return the fingerprint of a cached login; empty for any other."""
        expires, fingerprint = self._cached.get(self._hash(version, name, password), (0.0, ""))
        return fingerprint if expires > self._clock() else ""

    def _hash(self, version: Hashable, name: str, password: bytes) -> bytes:
        text = b"\0".join([repr(version).encode(), name.encode(), password])
        return hmac.digest(self._key, text, hashlib.sha256)
