from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from attrs import frozen

from holm_registry.http.request import StreamedRequest
from holm_registry.oci.digest import Digest


@frozen
class Locations:
    """
    The addresses this registry gives out.

    They are relative, unless a host is configured: behind any proxy, what is relative leads back
    through it. Only what is of use without the request, or elsewhere, names a host: see
    :meth:`absolute`.

    :ivar host: The scheme and host of ``http.host``, as ``https://registry.example``; empty for
        those that a client called.
    :ivar prefix: The path before ``/v2/``, as ``/path``; empty for none.
    :ivar relative: Whether addresses are relative though there is a host.
    """

    host: str = ""
    prefix: str = ""
    relative: bool = False

    @classmethod
    def configured(cls, host: str, prefix: str, *, relative: bool) -> Locations:
        """
        Make those of ``http.host``, ``http.prefix`` and ``http.relativeurls``.

        The path of ``http.host`` may include the prefix, as it has to in registry:2.
        """
        prefix = prefix.rstrip("/")
        parts = urlsplit(host)
        path = parts.path.rstrip("/")
        if prefix and not path.endswith(prefix):
            path += prefix
        return cls(f"{parts.scheme}://{parts.netloc}" if host else "", path, relative)

    def origin(self, request: StreamedRequest) -> str:
        """Return ``scheme://host[:port]``: that of the configuration, or that a client called."""
        if self.host:
            return self.host
        called = request.forwarded
        return f"{called.scheme}://{called.host or _own(request)}"

    def absolute(self, request: StreamedRequest, path: str) -> str:
        """Return an address that can be used without the request that it was made for."""
        return f"{self.origin(request)}{self._path(request, path)}"

    def next_page(self, request: StreamedRequest, path: str, **query: object) -> str:
        """
        Return the ``Link`` header to another page of a list, relative to the host.

        :see: RFC 8288; OCI distribution-spec, "Listing Tags" (end-8b).
        """
        return f'<{self._path(request, path)}?{urlencode(query)}>; rel="next"'

    def blob(self, request: StreamedRequest, repository: str, digest: Digest) -> str:
        """Return where a blob can be pulled."""
        return self._location(request, f"/v2/{repository}/blobs/{digest}")

    def upload(self, request: StreamedRequest, repository: str, session_id: str) -> str:
        """Return where an upload goes on."""
        return self._location(request, f"/v2/{repository}/blobs/uploads/{session_id}")

    def manifest(self, request: StreamedRequest, repository: str, digest: Digest) -> str:
        """Return where a manifest can be pulled."""
        return self._location(request, f"/v2/{repository}/manifests/{digest}")

    def _location(self, request: StreamedRequest, path: str) -> str:
        host = "" if self.relative else self.host
        return f"{host}{self._path(request, path)}"

    def _path(self, request: StreamedRequest, path: str) -> str:
        # Of a configured host the path is configured as well.
        taken = "" if self.host else request.forwarded.prefix
        return f"{taken}{self.prefix}{path}"


def _own(request: StreamedRequest) -> str:
    """Return the address that a client reached us by, where it names no host."""
    address = request.getHost()
    host, port = getattr(address, "host", ""), getattr(address, "port", None)
    if not host or port is None:
        return "localhost"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
