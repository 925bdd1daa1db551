"""``http`` in ``config.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from .base import Section
from .durations import Duration


class LetsEncryptSection(Section, frozen=True):
    """``http.tls.letsencrypt``."""

    cachefile: str = ""
    email: str = ""
    hosts: list[str] = []
    directoryurl: str = ""


class TlsSection(Section, frozen=True):
    """``http.tls``."""

    certificate: str = ""
    key: str = ""
    clientcas: list[str] = []
    clientauth: Literal["", "require-and-verify-client-cert", "verify-client-cert-if-given"] = ""
    minimumtls: Literal["", "tls1.0", "tls1.1", "tls1.2", "tls1.3"] = ""
    ciphersuites: list[str] = []
    letsencrypt: LetsEncryptSection = LetsEncryptSection()


class PrometheusSection(Section, frozen=True):
    """``http.debug.prometheus``."""

    enabled: bool = False
    path: str = "/metrics"


class DebugSection(Section, frozen=True):
    """``http.debug``."""

    addr: str = ""
    prometheus: PrometheusSection = PrometheusSection()


class Http2Section(Section, frozen=True):
    """``http.http2``."""

    disabled: bool = False


class H2cSection(Section, frozen=True):
    """``http.h2c``."""

    enabled: bool = False


#: The response headers that scripts in a browser may read: for paging, pushes, logins and errors.
_EXPOSED = (
    *("Docker-Content-Digest", "Link", "Location", "Range", "Content-Range", "ETag", "Allow"),
    *("WWW-Authenticate", "OCI-Subject", "OCI-Tag", "OCI-Filters-Applied", "Docker-Upload-UUID"),
    *("Warning", "Retry-After", "X-Request-Id"),
)


def _default_headers() -> dict[str, list[str]]:
    return {
        "Access-Control-Allow-Origin": ["*"],
        "Access-Control-Allow-Methods": ["HEAD", "GET", "OPTIONS", "DELETE"],
        "Access-Control-Allow-Headers": ["Authorization", "Accept", "Cache-Control"],
        "Access-Control-Expose-Headers": list(_EXPOSED),
    }


class LimitsSection(Section, frozen=True):
    """
    ``http.limits``: only in this registry. 0 connections means a limit that depends on the
    process's limit of open files; 0 requests per second means no limit.
    """

    headers: Duration = Duration(30)
    body: Duration = Duration(300)
    connections: Annotated[int, Meta(ge=0)] = 0
    connectionsperaddress: Annotated[int, Meta(ge=0)] = 0
    uploadsperaddress: Annotated[int, Meta(ge=1)] = 256
    requestspersecond: Annotated[float, Meta(ge=0)] = 0.0
    idle: Duration = Duration(150)


class HttpSection(Section, frozen=True):
    """``http``."""

    addr: str = ":5000"
    net: Literal["", "tcp", "unix"] = "tcp"
    prefix: str = ""
    host: str = ""
    secret: str = ""
    relativeurls: bool = False
    draintimeout: Duration = Duration(25)
    proxies: list[str] = field(default_factory=lambda: ["loopback", "private"])
    tls: TlsSection = TlsSection()
    debug: DebugSection = DebugSection()
    headers: dict[str, list[str]] = field(default_factory=_default_headers)
    http2: Http2Section = Http2Section()
    h2c: H2cSection = H2cSection()
    limits: LimitsSection = LimitsSection()
