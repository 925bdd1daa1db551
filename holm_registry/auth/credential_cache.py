from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: How long a login that was checked is not checked again, in seconds.
REMEMBERED_SECONDS = 300.0

_MAX_LOGINS = 1024


class CredentialCache:
    """
    Logins that were checked a moment ago: bcrypt is slow on purpose, and clients log in with each
    request. What is kept is a hash with a key that only this process has, and never a password.

    :param seconds: Tells the time, from any beginning.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    def add(self, version: Hashable, name: str, password: bytes, fingerprint: str) -> None:
        """
        Remember a login that was right.

        :param version: Of the file that it was checked with: with another, it is not known.
        :param fingerprint: Of the hash that the password matched.
        """
        until = self._seconds() + REMEMBERED_SECONDS
        self._known[self._hash(version, name, password)] = (until, fingerprint)
        if len(self._known) > _MAX_LOGINS:
            self._known.popitem(last=False)

    def get(self, version: Hashable, name: str, password: bytes) -> str:
        """Return the fingerprint of a login that was right a moment ago; empty for any other."""
        until, fingerprint = self._known.get(self._hash(version, name, password), (0.0, ""))
        return fingerprint if until > self._seconds() else ""

    def _hash(self, version: Hashable, name: str, password: bytes) -> bytes:
        text = b"\0".join([repr(version).encode(), name.encode(), password])
        return hmac.digest(self._key, text, hashlib.sha256)
