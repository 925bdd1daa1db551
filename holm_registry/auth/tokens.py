"""
Issue and verify tokens of this registry (``auth.issuer``).

:see: distribution, "Token Authentication Specification"; RFC 8693, 4.2, for the claim ``scope``.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import jwt
import msgspec
from attrs import frozen
from msgspec import Struct

from holm_registry.atomic_file import create_file, replace_file
from holm_registry.regular_file import open_regular

from .identity import Identity
from .scopes import Scopes

_ALGORITHM = "HS256"
_KEY_BYTES = 32

#: The accepted difference between the clocks of servers that share a volume, in seconds.
_CLOCK_SKEW_SECONDS = 30.0

_MAX_CACHED = 1024

#: The longest token issued, in bytes: nginx and others take a header line of 8 KiB by default.
MAX_TOKEN_BYTES = 7 * 1024


class TokenInvalid(Exception):
    """A token that is malformed, not trusted or expired, or whose login has ended."""


class _IssuedClaims(Struct):
    sub: str
    exp: float
    scope: str
    login: str
    robot: float | None = None


@frozen
class IssuedToken:
    """
    An issued token.

    :ivar scope: The scopes it is valid for, separated by spaces (``scope`` of OAuth 2).
    :ivar issued_at: The time of issue, in seconds since the epoch.
    :ivar seconds: How long it is valid.
    """

    text: str
    scope: str
    issued_at: float
    seconds: float


class TokenIssuer:
    """
    Issues tokens, and verifies the tokens that it issued.

    A token is limited to its scopes, and valid no longer than the login it was issued for. It
    contains that login: the caller of :meth:`verify` compares it with the current one.

    :param key: The secret that signs tokens, shared by all servers of a volume.
    :param service: The audience of the tokens: other services refuse them.
    :param seconds: The lifetime of tokens.
    :param now: Returns the time in seconds since the epoch.
    """

    def __init__(
        self, key: bytes, service: str, seconds: float, now: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self.service = service
        self._seconds = seconds
        self._now = now
        self._cached: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def issue(self, identity: Identity, scopes: Scopes, until: float | None = None) -> IssuedToken:
        """
        Issue a token.

        :param identity: The user, robot or anonymous client that it is for.
        :param scopes: The scopes to be valid for. A token must fit into a header line: of too many
            scopes it gets the last ones, which a client that collects scopes requested last.
        :param until: The end of the login, in seconds since the epoch; None if it is not known.
        """
        now = self._now()
        seconds = self._seconds if until is None else max(0.0, min(self._seconds, until - now))
        claims = {
            "iss": self.service,
            "aud": self.service,
            "sub": identity.name,
            "iat": int(now),
            "nbf": int(now - _CLOCK_SKEW_SECONDS),
            "exp": int(now + seconds),
            "jti": uuid.uuid4().hex,
            "scope": "",
            "login": identity.login,
            "robot": identity.robot,
        }
        room = MAX_TOKEN_BYTES - len(jwt.encode(claims, self._key, _ALGORITHM))
        # Base64 encodes three bytes as four characters, and may add padding.
        scope = claims["scope"] = scopes.last_fitting(max(0, room * 3 // 4 - 3))
        return IssuedToken(jwt.encode(claims, self._key, _ALGORITHM), scope, now, seconds)

    def verify(self, text: str) -> Identity:
        """
        Return the identity that a token is for.

        :raises TokenInvalid: This registry did not issue the token, or it has expired.
        """
        cached = self._cached.get(text)
        if cached is None:
            cached = self._cached[text] = self._decode(text)
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        expires, identity = cached
        if self._now() > expires + _CLOCK_SKEW_SECONDS:
            raise TokenInvalid("the token has expired")
        return identity

    def _decode(self, text: str) -> tuple[float, Identity]:
        try:
            payload = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                audience=self.service,
                issuer=self.service,
                # Times are compared here, with the clock of ``now``.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            claims = msgspec.convert(payload, _IssuedClaims)
        except (jwt.PyJWTError, msgspec.ValidationError, UnicodeError, ValueError) as problem:
            raise TokenInvalid("this registry did not issue the token") from problem
        scopes = Scopes.parse([claims.scope])
        identity = Identity(
            claims.sub,
            {name: frozenset(actions) for name, actions in scopes.repositories.items()},
            scopes.catalog,
            robot=claims.robot,
            login=claims.login,
        )
        return claims.exp, identity


def load_or_create_key(path: str) -> bytes:
    """
    Return the key that signs tokens, after creating it if it does not exist.

    :raises OSError: The key cannot be read or created.
    """
    with suppress(FileNotFoundError):
        return _read_key(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    _create_key(path)
    return _read_key(path)


def _create_key(path: str) -> None:
    key = os.urandom(_KEY_BYTES)
    try:
        # If two servers start at once, both use the key of the first one.
        create_file(path, key, 0o600)
    except FileExistsError:
        pass
    except OSError:
        # A file system without hard links. A key that exists may be in use: it is never replaced.
        if not os.path.exists(path):
            replace_file(path, key, 0o600)


def _read_key(path: str) -> bytes:
    with open(open_regular(path), "rb") as file:
        key = file.read(_KEY_BYTES * 2)
    if len(key) < _KEY_BYTES:
        raise OSError(22, "the token key is damaged; delete the file to create a new key", path)
    return key
