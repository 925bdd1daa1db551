"""
Tokens that this registry gives out and takes: one password for many requests.

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

from holm_registry.regular_file import open_regular

from .identity import Identity
from .scopes import Scopes

_ALGORITHM = "HS256"
_KEY_BYTES = 32

#: How much clocks of servers of one volume may differ, in seconds.
_SKEW_SECONDS = 30.0

_MAX_REMEMBERED = 1024

#: The longest token issued, in bytes: nginx and others take a header line of 8 KiB by default.
MAX_TOKEN_BYTES = 7 * 1024


class TokenInvalid(Exception):
    """A token that is none, is not ours, has expired, or whose login has ended."""


class _IssuedClaims(Struct):
    sub: str
    exp: float
    scope: str
    login: str
    robot: float | None = None


@frozen
class IssuedToken:
    """
    A token that was issued.

    :ivar scope: What it is valid for, as ``scope`` of OAuth 2: scopes separated by spaces.
    :ivar seconds: How long it is valid.
    """

    text: str
    scope: str
    issued_at: float
    seconds: float


class TokenIssuer:
    """
    Issues tokens, and verifies its own.

    A token is limited to its scopes, and valid no longer than the login behind it: it names the
    login, which the caller of :meth:`verify` compares with what it is now.

    :param key: Who has it can make tokens: kept on the volume, for all servers of it.
    :param service: The audience of the tokens: other services refuse them.
    :param now: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self, key: bytes, service: str, seconds: float, now: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self.service = service
        self._seconds = seconds
        self._now = now
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def issue(self, identity: Identity, scopes: Scopes, until: float | None = None) -> IssuedToken:
        """
        Issue a token.

        :param identity: The user, robot or anonymous client that it is for.
        :param scopes: What it is to be valid for. A token has to fit into a header: of more scopes
            than that, it gets the last ones, which a client that collects scopes asked for last.
        :param until: When its login ends, in seconds since the epoch; None if that is not known.
        """
        now = self._now()
        seconds = self._seconds if until is None else max(0.0, min(self._seconds, until - now))
        claims = {
            "iss": self.service,
            "aud": self.service,
            "sub": identity.name,
            "iat": int(now),
            "nbf": int(now - _SKEW_SECONDS),
            "exp": int(now + seconds),
            "jti": uuid.uuid4().hex,
            "scope": "",
            "login": identity.login,
            "robot": identity.robot,
        }
        room = MAX_TOKEN_BYTES - len(jwt.encode(claims, self._key, _ALGORITHM))
        # Three bytes make four characters, and the last ones may be padded.
        scope = claims["scope"] = scopes.last(max(0, room * 3 // 4 - 3))
        return IssuedToken(jwt.encode(claims, self._key, _ALGORITHM), scope, now, seconds)

    def verify(self, text: str) -> Identity:
        """
        Return the identity that a token is for.

        :raises TokenInvalid: It is none of ours, or has expired.
        """
        known = self._known.get(text)
        if known is None:
            known = self._decode(text)
            self._known[text] = known
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
        expires, identity = known
        if self._now() > expires + _SKEW_SECONDS:
            raise TokenInvalid("the token has expired")
        return identity

    def _decode(self, text: str) -> tuple[float, Identity]:
        try:
            claims = jwt.decode(
                text,
                self._key,
                algorithms=[_ALGORITHM],
                audience=self.service,
                issuer=self.service,
                # The time is ours to compare, by our clock.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            found = msgspec.convert(claims, _IssuedClaims)
        except (jwt.PyJWTError, msgspec.ValidationError, UnicodeError, ValueError) as problem:
            raise TokenInvalid("the token is none of this registry's") from problem
        scopes = Scopes.parse([found.scope])
        identity = Identity(
            found.sub,
            {name: frozenset(actions) for name, actions in scopes.repositories.items()},
            scopes.catalog,
            robot=found.robot,
            login=found.login,
        )
        return found.exp, identity


def read_key(path: str) -> bytes:
    """
    Read the key of a volume, or make it.

    :raises OSError: It cannot be read, or made.
    """
    with suppress(FileNotFoundError):
        return _key_in(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = f"{path}.{uuid.uuid4().hex}"
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, os.urandom(_KEY_BYTES))
        os.fsync(file)
    except OSError:
        os.unlink(aside)
        raise
    finally:
        os.close(file)
    try:
        # Of two servers that start at once, the first makes the key of both.
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without links: the last one makes it.
        os.replace(aside, path)
    with suppress(FileNotFoundError):
        os.unlink(aside)
    return _key_in(path)


def _key_in(path: str) -> bytes:
    with open(open_regular(path), "rb") as file:
        key = file.read(_KEY_BYTES * 2)
    if len(key) < _KEY_BYTES:
        raise OSError(22, "the key of tokens is damaged; remove it to have a new one made", path)
    return key
