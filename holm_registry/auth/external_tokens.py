"""
Verify tokens of another issuer (``auth.token``), with the issuer's public keys.

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

#: The accepted difference between the clocks of two machines, in seconds.
CLOCK_SKEW_SECONDS = 60.0

_MAX_CACHED = 1024

#: The maximum number of certificates in a token's header.
_MAX_CHAIN = 8

#: The exceptions that decoding a malformed token may raise: its header may hold any JSON.
_DECODE_ERRORS = (
    jwt.PyJWTError,
    msgspec.ValidationError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class KeysInvalid(Exception):
    """Keys that cannot be used; the message is the reason."""


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
    :ivar by_id: Public keys, by each id that a token may use for them.
    :ivar roots: Trusted certificates, for the certificate chain in a token's header.
    """

    by_id: Mapping[str, Any]
    roots: tuple[x509.Certificate, ...] = ()


@frozen
class ExternalTokenSettings:
    """
    :ivar service: The required audience of tokens.
    :ivar issuer: The required issuer of tokens.
    :ivar certificates: The path of a file with PEM certificates; empty for none.
    :ivar jwks: The path of a JSON Web Key Set; empty for none.
    :ivar algorithms: The accepted signing algorithms.
    """

    service: str
    issuer: str
    certificates: str
    jwks: str
    algorithms: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the files with keys."""
        return tuple(filter(None, (self.certificates, self.jwks)))


class ExternalTokenVerifier:
    """
    Verifies tokens of another issuer. Reads the keys again when their files change.

    :param warn: Called with a line when changed keys cannot be used; the previous keys stay in use.
    :param now: Returns the time in seconds since the epoch.
    :raises KeysInvalid: The keys cannot be used.
    """

    def __init__(
        self,
        settings: ExternalTokenSettings,
        warn: Callable[[str], object],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._warn = warn
        self._now = now
        self._files = FileWatcher(settings.files, now)
        self._keys = read_keys(settings)
        self._cached: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def verify(self, text: str) -> Identity:
        """
        Return the identity that a token is for, limited to the token's grants.

        :raises TokenInvalid: The token is not trusted, or not valid now.
        """
        now = self._now()
        if self._files.have_changed():
            self._reload_keys()
        cached = self._cached.get(text)
        if cached is None:
            cached = self._cached[text] = self._decode(text, now)
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        expires, identity = cached
        if now > expires + CLOCK_SKEW_SECONDS:
            raise TokenInvalid("the token has expired")
        return identity

    def _decode(self, text: str, now: float) -> tuple[float, Identity]:
        claims = self._claims(text, now)
        access = claims.access or []
        grants: dict[str, frozenset[str]] = {}
        for grant in access:
            if grant.type == "repository":
                actions = grants.get(grant.name, frozenset()) | _to_actions(grant.actions)
                grants[grant.name] = actions
        can_list_catalog = any(
            (grant.type, grant.name) == ("registry", "catalog") for grant in access
        )
        return claims.exp, Identity(claims.sub, grants, can_list_catalog, is_external=True)

    def _claims(self, text: str, now: float) -> _ExternalClaims:
        settings = self._settings
        try:
            key = self._select_key(jwt.get_unverified_header(text), now)
            claims = jwt.decode(
                text,
                key,
                algorithms=list(settings.algorithms),
                audience=settings.service,
                issuer=settings.issuer,
                # Times are compared here, with the clock of ``now``.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            if float(claims.get("nbf", now)) > now + CLOCK_SKEW_SECONDS:
                raise TokenInvalid("the token is not valid yet")
            return msgspec.convert(claims, _ExternalClaims)
        except _DECODE_ERRORS as problem:
            raise TokenInvalid("the token is not trusted") from problem

    def _select_key(self, header: Mapping[str, Any], now: float) -> Any:
        """
        Return the key that a token's header names.

        :raises TokenInvalid: The key is not trusted.
        """
        chain, jwk = header.get("x5c"), header.get("jwk")
        if chain:
            return _key_of_chain(chain, self._keys.roots, now)
        key_id = str(header.get("kid", "")) if jwk is None else thumbprint(jwt.PyJWK(jwk).key)
        try:
            return self._keys.by_id[key_id]
        except KeyError:
            raise TokenInvalid("the token is signed with an unknown key") from None

    def _reload_keys(self) -> None:
        try:
            self._keys = read_keys(self._settings)
        except KeysInvalid as problem:
            self._warn(f"auth.token: {problem}; the previous keys stay in use")
        else:
            # Tokens signed with a removed key are not trusted any longer.
            self._cached.clear()


def read_keys(settings: ExternalTokenSettings) -> VerificationKeys:
    """
    Read the keys of all files.

    :raises KeysInvalid: A file cannot be read, or no file has a key.
    """
    by_id: dict[str, Any] = {}
    roots: tuple[x509.Certificate, ...] = ()
    if settings.certificates:
        roots = tuple(_read_certificates(settings.certificates))
        for certificate in roots:
            by_id.update(_key_ids(certificate.public_key()))
    if settings.jwks:
        by_id.update(_read_key_set(settings.jwks))
    if not by_id:
        raise KeysInvalid(f"{' and '.join(settings.files)}: no usable key")
    return VerificationKeys(by_id, roots)


def _read_certificates(path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read_file(path))
    except ValueError:
        raise KeysInvalid(f"{path}: not a PEM certificate") from None


def _read_key_set(path: str) -> Iterator[tuple[str, Any]]:
    try:
        keys = jwt.PyJWKSet.from_json(_read_file(path).decode()).keys
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as problem:
        raise KeysInvalid(f"{path}: not a JSON Web Key Set: {problem}") from None
    for key in keys:
        # Symmetric keys are ignored: a key set is a public file.
        if isinstance(key.key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey, _Ed25519)):
            yield from _key_ids(key.key).items()
            if key.key_id:
                yield key.key_id, key.key


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read().removeprefix(codecs.BOM_UTF8)
    except OSError as problem:
        raise KeysInvalid(f"{path}: {problem.strerror}") from None


def _key_ids(key: Any) -> dict[str, Any]:
    return {fingerprint(key): key, thumbprint(key): key}


def fingerprint(key: Any) -> str:
    """Return the id of a key in the format of libtrust (registry:2): ``ABCD:EFGH:…``, base 32."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode().rstrip("=")
    return ":".join(text[index : index + 4] for index in range(0, len(text), 4))


def thumbprint(key: Any) -> str:
    """
    Return the thumbprint of a key (RFC 7638).

    :raises TypeError: Keys of this kind do not sign tokens.
    """
    if isinstance(key, rsa.RSAPublicKey):
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, _Ed25519):
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True)
    else:
        raise TypeError("not a key that signs tokens")
    # The required members, in lexicographic order (RFC 7638, section 3.2).
    members = {name: jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in jwk}
    text = json.dumps(members, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _key_of_chain(chain: Any, roots: tuple[x509.Certificate, ...], now: float) -> Any:
    """
    Return the key of the first certificate of a chain.

    :raises TokenInvalid: The chain does not end at one of the trusted certificates.
    """
    if not isinstance(chain, list) or len(chain) > _MAX_CHAIN:
        raise TokenInvalid("the token's certificates are not a chain")
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    for root in roots:
        store.add_cert(crypto.X509.from_cryptography(root))
    try:
        certificates = [x509.load_der_x509_certificate(base64.b64decode(der)) for der in chain]
        first, *others = map(crypto.X509.from_cryptography, certificates)
        store.set_time(datetime.fromtimestamp(now, UTC))
        crypto.X509StoreContext(store, first, others).verify_certificate()
    except (ValueError, TypeError, binascii.Error, crypto.Error, crypto.X509StoreContextError):
        raise TokenInvalid("the token's certificate is not trusted") from None
    return certificates[0].public_key()


def _to_actions(names: list[str]) -> frozenset[str]:
    return frozenset(ACTIONS if "*" in names else names)
