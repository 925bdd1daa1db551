"""
Security headers, and protection against requests that other sites make browsers send.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import Forbidden

#: Sent with every answer.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def put_headers(request: StreamedRequest) -> None:
    """Set the headers of every answer."""
    for name, value in HEADERS.items():
        request.set_header(name, value)
    request.set_header("Server", "holm-ui")


_FOREIGN = "this was sent by another site, and is not done"

#: Names that only a network of one's own gives to a host: no other site can point one of them
#: to this server.
_LOCAL_SUFFIXES = (".localhost", ".local", ".lan", ".home.arpa", ".svc", ".cluster.local")

_PORTS = {"http": ":80", "https": ":443"}


class SiteOrigins:
    """
    Under which names this UI is known, so that requests of other sites are told from its own.

    :param allowed_hosts: Further names, with or without a port.
    :param public_registry: The host of the registry, which may also be the UI's.
    """

    def __init__(self, allowed_hosts: Collection[str] = (), public_registry: str = "") -> None:
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._public_host = name_of(public_registry)

    def require_own(self, request: StreamedRequest) -> None:
        """
        Refuse what another site made a browser send.

        ================  ===============  ========================
        Sec-Fetch-Site    Origin           verdict
        ================  ===============  ========================
        same-origin       any, or none     own: a browser compared
        none              none             own: typed by a visitor
        none              this site's      own
        none              another          foreign
        same-site         any, or none     foreign
        cross-site        any, or none     foreign
        anything else     any, or none     foreign
        several           any, or none     foreign
        no such header    none             own, or a program's
        no such header    this site's      own
        no such header    another          foreign
        ================  ===============  ========================

        Another origin is also ``null``, what is no origin, and one of several that differ. Where
        there is neither header, ``Referer`` counts as the origin. Over plain HTTP browsers send no
        ``Sec-Fetch-Site``. What sends none of these is a program, and may send what it likes.

        :raises Forbidden: It comes from elsewhere.
        :see: W3C Fetch Metadata Request Headers; RFC 6454, section 7.
        """
        sites = request.header_values("Sec-Fetch-Site")
        if sites == ["same-origin"]:
            return
        if sites not in ([], ["none"]):
            raise Forbidden(_FOREIGN)
        origins = request.header_values("Origin") or (
            [] if sites else request.header_values("Referer")
        )
        if not all(self._is_own(request, origin) for origin in origins):
            raise Forbidden(_FOREIGN)

    def _is_own(self, request: StreamedRequest, origin: str) -> bool:
        try:
            url = urlsplit(origin)
        except ValueError:
            return False
        if url.scheme not in _PORTS or not url.netloc:
            return False
        port = _PORTS[url.scheme]
        named = {request.header("Host") or "", request.forwarded.host}
        hosts = {host.lower().removesuffix(port) for host in named if host} | self._allowed
        return url.netloc.lower().removesuffix(port) in hosts

    def require_known_host(self, request: StreamedRequest) -> None:
        """
        Refuse a change under a name that another site could have pointed to this server.

        A page of another site may give its own name the address of this server, and is then the
        same site for a browser (DNS rebinding). Addresses, and names that only a network of one's
        own knows, cannot be used so.

        :raises Forbidden: The name is not known.
        """
        hosts = [*request.header_values("Host"), *request.header_values("X-Forwarded-Host")]
        for host in (name.strip() for line in hosts for name in line.split(",")):
            if not self._is_known(host.lower()):
                raise Forbidden(
                    f"nothing is changed under the host name {host[:100]!r}, which is not "
                    "allowed: the administrator of this UI can allow it with the option "
                    "--allowed-hosts (ALLOWED_HOSTS)"
                )

    def _is_known(self, host: str) -> bool:
        name = name_of(host)
        if not name or host in self._allowed or name in self._allowed:
            return bool(name)
        local = "." not in name or name.endswith(_LOCAL_SUFFIXES)
        return local or name == self._public_host or _is_address(name)


def name_of(host: str) -> str:
    """Return the name or address in ``name[:port]``, in small letters; empty for neither."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def local_path(text: str, base: str = "") -> str:
    """
    Return an address to go back to, if it is one of this UI; else the first page.

    :param base: The path below which the UI is.
    """
    plain = text.startswith(f"{base}/") and not text.startswith(("//", "/\\"))
    clean = plain and len(text) < 4000 and all(" " < character < "\x7f" for character in text)
    return text if clean else f"{base}/"
