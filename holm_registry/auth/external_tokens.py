"""
Tokens that others give out, and the keys by which they are known.

:see: distribution, "Token Authentication Implementation"; RFC 7517, RFC 7638.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from msgspec import Struct
from OpenSSL import crypto

from holm_registry.file_watcher import FileWatcher

from .identity import ACTIONS, Identity
from .tokens import TokenInvalid

_Ed25519 = ed25519.Ed25519PublicKey

#: How much the clocks of two machines may differ, in seconds.
SKEW_SECONDS = 60.0

_MAX_REMEMBERED = 1024

#: What a header's certificates may be at the most.
_MAX_CHAIN = 8


#: What comes of a token that is none, whose header may hold anything at all.
_MALFORMED = (
    jwt.PyJWTError,
    msgspec.ValidationError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class KeysInvalid(Exception):
    """Keys that cannot be used; the text says why."""


class _Grant(Struct):
    type: str
    name: str
    actions: list[str]


class _ExternalClaims(Struct):
    exp: float
    sub: str = ""
    access: list[_Grant] | None = None


@frozen
class VerificationKeys:
    """
    :ivar named: Public keys, by each name that a token may call them.
    :ivar roots: Certificates that vouch for those which a token brings along.
    """

    named: Mapping[str, Any]
    roots: tuple[x509.Certificate, ...] = ()


@frozen
class ExternalTokenSettings:
    """
    :ivar service: Whom tokens must be for.
    :ivar issuer: Whom they must be from.
    :ivar certificates: A file of certificates in PEM; empty for none.
    :ivar jwks: A file of a JSON Web Key Set; empty for none.
    :ivar algorithms: How they may be signed.
    """

    service: str
    issuer: str
    certificates: str
    jwks: str
    algorithms: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All files it depends on."""
        return tuple(filter(None, (self.certificates, self.jwks)))


class ExternalTokenVerifier:
    """
    Knows tokens that somebody else gives out, by keys that may change at any time.

    :param complain: Gets a line when changed keys cannot be used: those from before stay.
    :param now: Tells the time, in seconds since the epoch.
    :raises KeysInvalid: The keys cannot be used.
    """

    def __init__(
        self,
        settings: ExternalTokenSettings,
        complain: Callable[[str], object],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._complain = complain
        self._now = now
        self._files = FileWatcher(settings.files, now)
        self._keys = read_keys(settings)
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def verify(self, text: str) -> Identity:
        """
        Tell whom a token is for, and what it is good for.

        :raises TokenInvalid: It is not to be trusted, or not good now.
        """
        now = self._now()
        if self._files.have_changed():
            self._renew()
        known = self._known.get(text)
        if known is None:
            known = self._decode(text, now)
            self._known[text] = known
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
        expires, identity = known
        if now > expires + SKEW_SECONDS:
            raise TokenInvalid("the token has expired")
        return identity

    def _decode(self, text: str, now: float) -> tuple[float, Identity]:
        settings = self._settings
        try:
            key = self._key(jwt.get_unverified_header(text), now)
            claims = jwt.decode(
                text,
                key,
                algorithms=list(settings.algorithms),
                audience=settings.service,
                issuer=settings.issuer,
                # The time is ours to compare, by our clock.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            if float(claims.get("nbf", now)) > now + SKEW_SECONDS:
                raise TokenInvalid("the token is not good yet")
            found = msgspec.convert(claims, _ExternalClaims)
        except _MALFORMED as problem:
            raise TokenInvalid("the token is not to be trusted") from problem
        access = found.access or []
        grants: dict[str, frozenset[str]] = {}
        for each in access:
            if each.type == "repository":
                grants[each.name] = grants.get(each.name, frozenset()) | _actions(each.actions)
        lists = any((each.type, each.name) == ("registry", "catalog") for each in access)
        return found.exp, Identity(found.sub, grants, lists, is_external=True)

    def _key(self, header: Mapping[str, Any], now: float) -> Any:
        """
        Find the key that a token says it is signed with, if that is trusted.

        :raises TokenInvalid: It is not.
        """
        chain, bare = header.get("x5c"), header.get("jwk")
        if chain:
            return _vouched(chain, self._keys.roots, now)
        name = str(header.get("kid", ""))
        if bare is not None:
            name = thumbprint(jwt.PyJWK(bare).key)
        try:
            return self._keys.named[name]
        except KeyError:
            raise TokenInvalid("the token is signed with a key that nobody knows") from None

    def _renew(self) -> None:
        try:
            self._keys = read_keys(self._settings)
        except KeysInvalid as problem:
            self._complain(f"auth.token: {problem}; the keys from before stay")
        else:
            # A key that is gone is trusted no more, whatever was signed with it.
            self._known.clear()


def read_keys(settings: ExternalTokenSettings) -> VerificationKeys:
    """
    Read keys from files.

    :raises KeysInvalid: They cannot be read, or there is none.
    """
    named: dict[str, Any] = {}
    roots: tuple[x509.Certificate, ...] = ()
    if settings.certificates:
        roots = tuple(_certificates(settings.certificates))
        for certificate in roots:
            named.update(_names(certificate.public_key()))
    if settings.jwks:
        named.update(_key_set(settings.jwks))
    if not named:
        raise KeysInvalid("there is no key in " + " and ".join(settings.files))
    return VerificationKeys(named, roots)


def _certificates(path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content(path))
    except ValueError:
        raise KeysInvalid(f"{path}: no certificate in PEM") from None


def _key_set(path: str) -> Iterator[tuple[str, Any]]:
    try:
        keys = jwt.PyJWKSet.from_json(_content(path).decode()).keys
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as problem:
        raise KeysInvalid(f"{path}: no JSON Web Key Set: {problem}") from None
    for key in keys:
        # A shared secret in such a file would be one that everybody may read.
        if isinstance(key.key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, _Ed25519)):
            yield from _names(key.key).items()
            if key.key_id:
                yield key.key_id, key.key


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read().removeprefix(codecs.BOM_UTF8)
    except OSError as problem:
        raise KeysInvalid(f"{path}: {problem.strerror}") from None


def _names(key: Any) -> dict[str, Any]:
    return {fingerprint(key): key, thumbprint(key): key}


def fingerprint(key: Any) -> str:
    """Name a key as issuers for registry:2 do: groups of four of a hash in base 32."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode().rstrip("=")
    return ":".join(text[index : index + 4] for index in range(0, len(text), 4))


def thumbprint(key: Any) -> str:
    """
    Name a key as RFC 7638 does.

    :raises TypeError: It is of a kind that signs no tokens.
    """
    if isinstance(key, rsa.RSAPublicKey):
        found = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        found = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, _Ed25519):
        found = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True)
    else:
        raise TypeError("no key that signs tokens")
    # What makes the key, in this order, and nothing of what else is said of it.
    wanted = [name for name in ("crv", "e", "kty", "n", "x", "y") if name in found]
    text = json.dumps({name: found[name] for name in wanted}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _vouched(chain: Any, roots: tuple[x509.Certificate, ...], now: float) -> Any:
    """Give the key of the first certificate of a chain that ends at one of ours."""
    if not isinstance(chain, list) or len(chain) > _MAX_CHAIN:
        raise TokenInvalid("the token's certificates are no chain")
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    try:
        found = [x509.load_der_x509_certificate(base64.b64decode(each)) for each in chain]
        first, *others = [crypto.X509.from_cryptography(each) for each in found]
        store.set_time(datetime.fromtimestamp(now, UTC))
        crypto.X509StoreContext(store, first, others).verify_certificate()
    except (ValueError, TypeError, binascii.Error, crypto.Error, crypto.X509StoreContextError):
        raise TokenInvalid("nobody known vouches for the token's certificate") from None
    return found[0].public_key()


def _actions(names: list[str]) -> frozenset[str]:
    return frozenset(ACTIONS if "*" in names else names)
