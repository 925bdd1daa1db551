"""An issuer of tokens in the format of registry:2."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from holm_registry.auth.external_tokens import fingerprint, thumbprint

REALM = "https://auth.example/token"
SERVICE = "registry.example"
ISSUER = "auth.example"


class ExternalIssuer:
    """Signs tokens with its own key and certificate."""

    def __init__(self, kind: str = "ec", authority: ExternalIssuer | None = None) -> None:
        make = {
            "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
        }
        self.key = make[kind]()
        self.algorithm = {"ec": "ES256", "rsa": "RS256"}[kind]
        self.certificate = self._create_certificate(authority or self)

    def _create_certificate(self, authority: ExternalIssuer) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        names = [
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, str(id(issuer)))])
            for issuer in (self, authority)
        ]
        return (
            x509.CertificateBuilder()
            .subject_name(names[0])
            .issuer_name(names[1])
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(authority.key, hashes.SHA256())
        )

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a JSON Web Key."""
        kind = (
            jwt.algorithms.ECAlgorithm if self.algorithm == "ES256" else jwt.algorithms.RSAAlgorithm
        )
        return kind.to_jwk(self.key.public_key(), as_dict=True)

    @property
    def header(self) -> dict[str, dict[str, Any]]:
        """The headers by which a token can name its key."""
        public = self.key.public_key()
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        return {
            "libtrust": {"kid": fingerprint(public)},
            "thumbprint": {"kid": thumbprint(public)},
            "x5c": {"x5c": [base64.b64encode(der).decode()]},
            "jwk": {"jwk": self.jwk},
        }

    def write_certificates(self, path: Path) -> None:
        """Write the certificate, for ``rootcertbundle``."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def write_keys(self, path: Path, name: str = "one") -> None:
        """Write the public key, for ``jwks``."""
        path.write_text(json.dumps({"keys": [{**self.jwk, "kid": name}]}))

    def sign(self, access: Any = (), header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that is valid for five minutes."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": SERVICE,
            "sub": "ada",
            "exp": now + 300,
            "nbf": now - 10,
            "access": access if access is None else list(access),
            **claims,
        }
        present = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(present, self.key, self.algorithm, header or self.header["libtrust"])


def grant(name: str, *actions: str, kind: str = "repository") -> dict[str, Any]:
    """Return an entry of ``access``."""
    return {"type": kind, "name": name, "actions": list(actions)}
