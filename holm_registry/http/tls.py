"""
Speaking TLS, with certificates that may be renewed at any time.
"""

from __future__ import annotations

import codecs
import re
import time
from collections.abc import Callable
from typing import Any

from attrs import frozen
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from holm_registry.file_watcher import FileWatcher

_VERSIONS = {"tls1.2": SSL.TLS1_2_VERSION, "tls1.3": SSL.TLS1_3_VERSION}

#: What clients are asked for, by registry:3's names.
CLIENT_AUTH = {
    "require-and-verify-client-cert": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
    "verify-client-cert-if-given": SSL.VERIFY_PEER,
}

_SUITE = re.compile(r"TLS_(?:(ECDHE_(?:RSA|ECDSA))|RSA)_WITH_(\w+)")


class TlsInvalid(Exception):
    """Certificates that cannot be used; the text says why."""


@frozen
class TlsSettings:
    """
    :ivar certificate: A file of certificates, ours first, in PEM.
    :ivar key: The file of its key, in PEM.
    :ivar client_cas: Files of who vouches for clients; none if clients are not asked.
    :ivar client_auth: A key of :data:`CLIENT_AUTH`.
    :ivar minimum: ``tls1.2`` or ``tls1.3``.
    :ivar suites: Cipher suites of TLS 1.2, by their names in the standard; none for sensible ones.
    """

    certificate: str
    key: str
    client_cas: tuple[str, ...] = ()
    client_auth: str = "require-and-verify-client-cert"
    minimum: str = "tls1.2"
    suites: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All files it depends on."""
        return (self.certificate, self.key, *self.client_cas)


@implementer(IOpenSSLServerConnectionCreator)
class Tls:
    """
    Makes the server's side of TLS connections, with whatever certificate is there just then.

    :param tell: Gets a line when a certificate was renewed, or could not be: the old one stays.
    :raises TlsInvalid: The files cannot be used.
    """

    def __init__(
        self,
        settings: TlsSettings,
        tell: Callable[[str], object],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._files = FileWatcher(settings.files, seconds)
        self._context = build_context(settings)

    def serverConnectionForTLS(self, _protocol: Any) -> SSL.Connection:
        """Make the state of one connection."""
        if self._files.have_changed():
            self._renew()
        return SSL.Connection(self._context, None)

    def _renew(self) -> None:
        try:
            self._context = build_context(self._settings)
        except TlsInvalid as problem:
            self._tell(f"http.tls: {problem}; the certificate from before stays")
        else:
            self._tell("http.tls: the certificate was renewed")


def build_context(settings: TlsSettings) -> SSL.Context:
    """
    Make what connections are made from.

    :raises TlsInvalid: The files cannot be used.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[settings.minimum])
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    # 25 KiB of each connection that is idle.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_id(b"holm-registry")
    for path in settings.files:
        _require_readable(path)
    _use(settings.certificate, lambda: context.use_certificate_chain_file(settings.certificate))
    _use(settings.key, lambda: context.use_privatekey_file(settings.key))
    _use(f"{settings.certificate} and {settings.key}", context.check_privatekey)
    for path in settings.client_cas:
        _use(path, lambda path=path: context.load_verify_locations(path))  # type: ignore[misc]
        _use(path, lambda path=path: context.load_client_ca(path.encode()))  # type: ignore[misc]
    if settings.client_cas:
        context.set_verify(CLIENT_AUTH[settings.client_auth], lambda *found: bool(found[-1]))
    if settings.suites:
        names = ":".join(map(_openssl_name, settings.suites))
        _use("ciphersuites", lambda: context.set_cipher_list(names.encode()))
    return context


def client_name(certificate: Any) -> str:
    """
    Return whose certificate it is: its common name, or else its first alternative name.

    :param certificate: Of pyOpenSSL's kind.
    :return: Empty if it has no name.
    """
    found: x509.Certificate = certificate.to_cryptography()
    for common in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        if common.value:
            return str(common.value)
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ""
    for kind in (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier):
        for name in names.get_values_for_type(kind):
            return str(name)
    return ""


def _openssl_name(suite: str) -> str:
    """Return what OpenSSL calls a cipher suite."""
    match = _SUITE.fullmatch(suite)
    if match is None:
        raise TlsInvalid(f"ciphersuites: {suite!r} is none of TLS 1.2's")
    cipher = match[2].replace("_CBC", "").replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
    cipher = re.sub(r"(AES|CAMELLIA)_(\d+)", r"\1\2", cipher)
    return "-".join(filter(None, [match[1], cipher])).replace("_", "-")


def _require_readable(path: str) -> None:
    try:
        with open(path, "rb") as file:
            start = file.read(3)
    except OSError as problem:
        raise TlsInvalid(f"{path}: {problem.strerror}") from problem
    if start.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # OpenSSL would say that there is nothing in it.
        raise TlsInvalid(f"{path}: begins with a byte order mark; save it without one")


def _use(what: str, use: Callable[[], object]) -> None:
    try:
        use()
    except SSL.Error as problem:
        reasons = ", ".join(str(each[-1]) for each in problem.args[0]) if problem.args else ""
        raise TlsInvalid(f"{what}: {reasons or 'it cannot be used'}") from problem
