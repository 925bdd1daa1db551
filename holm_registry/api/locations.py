from __future__ import annotations

from attrs import frozen

from holm_registry.oci.digest import Digest


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

    def blob(self, repository: str, digest: Digest) -> str:
        """Give where a blob can be pulled."""
        return f"{self.host}{self.prefix}/v2/{repository}/blobs/{digest}"

    def upload(self, repository: str, session_id: str) -> str:
        """Give where an upload goes on."""
        return f"{self.host}{self.prefix}/v2/{repository}/blobs/uploads/{session_id}"

    def manifest(self, repository: str, digest: Digest) -> str:
        """Give where a manifest can be pulled."""
        return f"{self.host}{self.prefix}/v2/{repository}/manifests/{digest}"
