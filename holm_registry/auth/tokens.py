"""
Tokens that this registry gives out and takes: one password for many requests.

:see: distribution, "Token Authentication Specification" and "Token Authentication Implementation".
"""

from __future__ import annotations

import os
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import jwt
import msgspec
from attrs import frozen
from msgspec import Struct

from .identity import Identity

_ALGORITHM = "HS256"
_KEY_BYTES = 32

#: How much clocks of servers of one volume may differ, in seconds.
_SKEW_SECONDS = 30.0

_MAX_REMEMBERED = 1024


class TokenInvalid(Exception):
    """A token that is none, is not ours, or has expired."""


class _Grant(Struct):
    type: str
    name: str
    actions: list[str]


class _Claims(Struct):
    sub: str
    exp: float
    access: list[_Grant]
    robot: float | None = None


@frozen
class Token:
    """A token, and for how long it is good."""

    text: str
    issued_at: float
    seconds: float


class Issuer:
    """
    Gives tokens, and knows its own.

    :param key: Who has it can make tokens: kept on the volume, for all servers of it.
    :param service: What tokens are for: they are good nowhere else.
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

    def issue(self, identity: Identity, grants: Mapping[str, Iterable[str]]) -> Token:
        """
        Make a token.

        :param identity: Whom it is for.
        :param grants: What it is good for, actions by repository.
        """
        now = self._now()
        access = [_Grant("repository", each, sorted(grants[each])) for each in grants]
        claims = {
            "iss": self.service,
            "aud": self.service,
            "sub": identity.name,
            "iat": int(now),
            "nbf": int(now - _SKEW_SECONDS),
            "exp": int(now + self._seconds),
            "jti": uuid.uuid4().hex,
            "access": msgspec.to_builtins(access),
            "robot": identity.robot,
        }
        return Token(jwt.encode(claims, self._key, _ALGORITHM), now, self._seconds)

    def verify(self, text: str) -> Identity:
        """
        Tell whom a token is for, and what it is good for.

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
            found = msgspec.convert(claims, _Claims)
        except (jwt.PyJWTError, msgspec.ValidationError, UnicodeError, ValueError) as problem:
            raise TokenInvalid("the token is none of this registry's") from problem
        grants = {each.name: frozenset(each.actions) for each in found.access}
        return found.exp, Identity(found.sub, grants, robot=found.robot)


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
    with open(path, "rb") as file:
        key = file.read(_KEY_BYTES * 2)
    if len(key) < _KEY_BYTES:
        raise OSError(22, "the key of tokens is damaged; remove it to have a new one made", path)
    return key
