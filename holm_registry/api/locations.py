from __future__ import annotations

import re

from attrs import frozen

from holm_registry.http.request import StreamedRequest
from holm_registry.oci.digest import Digest

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")


def origin(request: StreamedRequest) -> str:
    """Give how a client calls this registry, as far as it says so: ``https://host:port``."""
    host = request.header("Host") or ""
    forwarded = request.header("X-Forwarded-Proto")
    scheme = "https" if request.isSecure() or forwarded == "https" else "http"
    return f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"


@frozen
class Locations:
    """
    The addresses this registry gives out.

    They hold no host unless one is configured: whatever proxy a client came through, what is
    relative leads back through it.

    :ivar host: ``http.host``, as ``https://registry.example``; empty for relative addresses.
    :ivar prefix: ``http.prefix`` without its last slash; empty for none.
    """

    host: str = ""
    prefix: str = ""

    def absolute(self, request: StreamedRequest, path: str) -> str:
        """Give an address that is of use to others than whoever sent a request, or without it."""
        return f"{self.host or origin(request)}{self.prefix}{path}"

    def blob(self, repository: str, digest: Digest) -> str:
        """Give where a blob can be pulled."""
        return f"{self.host}{self.prefix}/v2/{repository}/blobs/{digest}"

    def upload(self, repository: str, session_id: str) -> str:
        """Give where an upload goes on."""
        return f"{self.host}{self.prefix}/v2/{repository}/blobs/uploads/{session_id}"

    def manifest(self, repository: str, digest: Digest) -> str:
        """Give where a manifest can be pulled."""
        return f"{self.host}{self.prefix}/v2/{repository}/manifests/{digest}"
