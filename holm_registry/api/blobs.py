from __future__ import annotations

from klein import Klein

from holm_registry.auth.identity import DELETE, PULL
from holm_registry.content.blobs import BlobStat
from holm_registry.http.json import empty_body
from holm_registry.http.request import StreamedRequest
from holm_registry.http.sendfile import send
from holm_registry.http.shield import shielded
from holm_registry.oci.conditions import matches
from holm_registry.oci.digest import Digest
from holm_registry.oci.mediatypes import OCTET_STREAM
from holm_registry.oci.ranges import ByteRange, parse_range

from .context import Context

#: A digest's bytes never change: whoever has them need not ask for a year.
_CACHE_CONTROL = "max-age=31536000"


class BlobRoutes:
    """``/v2/<name>/blobs/<digest>``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._guard = context.guard
        self._blobs = context.registry.blobs
        self._threads = context.threads

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        url = "/v2/<repository:repository>/blobs/<digest:digest>"
        app.route(url, methods=["GET"], endpoint="blob_get")(self.get)
        app.route(url, methods=["DELETE"], endpoint="blob_delete")(self.delete)

    async def get(self, request: StreamedRequest, repository: str, digest: Digest) -> bytes:
        """Serve a blob, whole or one range of it, or just its headers (end-2, end-10)."""
        await self._guard.require(request, repository, PULL)
        stat = self._context.memory.count(self._blobs.peek(repository, digest))
        if stat is None:
            stat = await self._threads.run(self._blobs.stat, repository, digest)
        wanted = _describe(request, stat)
        if request.code == 304 or request.method == b"HEAD":
            return b""
        reader = await self._threads.run(self._blobs.open, repository, digest)
        try:
            await send(request, reader, wanted.start, wanted.stop, self._threads)
        finally:
            reader.close()
        self._context.announcer.blob_pulled(request, repository, digest, stat.size_bytes)
        return b""

    @shielded
    async def delete(self, request: StreamedRequest, repository: str, digest: Digest) -> bytes:
        """Take a blob out of a repository (end-10)."""
        await self._guard.require(request, repository, DELETE)
        self._context.require_deletes()
        await self._threads.run(self._blobs.delete, repository, digest)
        await self._context.announcer.blob_deleted(request, repository, digest)
        request.setResponseCode(202)
        return empty_body(request)


def _describe(request: StreamedRequest, stat: BlobStat) -> ByteRange:
    """Set status and headers for a blob, and tell which bytes to send."""
    etag = f'"{stat.digest}"'
    request.set_header("Docker-Content-Digest", str(stat.digest))
    request.set_header("ETag", etag)
    request.set_header("Cache-Control", _CACHE_CONTROL)
    request.set_header("Accept-Ranges", "bytes")
    whole = ByteRange(0, stat.size_bytes)
    if matches(request.header("If-None-Match"), stat.digest):
        request.setResponseCode(304)
        return whole
    request.set_header("Content-Type", OCTET_STREAM)
    part = None
    if request.header("If-Range") in (None, etag):
        part = parse_range(request.header("Range"), stat.size_bytes)
    if part is not None:
        request.setResponseCode(206)
        end = part.stop - 1
        request.set_header("Content-Range", f"bytes {part.start}-{end}/{stat.size_bytes}")
    request.set_header("Content-Length", str((part or whole).length))
    return part or whole
