from __future__ import annotations

from collections.abc import Sequence

from klein import Klein

from holm_registry.auth.identity import DELETE, PULL
from holm_registry.content.blobs import BlobStat
from holm_registry.http.cancellation import uncancellable
from holm_registry.http.json_body import empty_body
from holm_registry.http.multipart import MultipartPiece, byte_ranges
from holm_registry.http.request import StreamedRequest
from holm_registry.http.sendfile import send
from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import OCTET_STREAM
from holm_registry.oci.preconditions import is_not_modified, require_if_match
from holm_registry.oci.ranges import ByteRange, parse_ranges

from .context import ApiContext

#: A digest's bytes never change: a client that has them need not ask for a year.
_CACHE_CONTROL = "max-age=31536000"


class BlobRoutes:
    """``/v2/<name>/blobs/<digest>``."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._guard = context.authorizer
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
        stat = self._context.memory.count(self._blobs.cached(repository, digest))
        if stat is None:
            stat = await self._threads.run(self._blobs.stat, repository, digest)
        pieces = _describe(request, stat)
        if request.code == 304 or request.method == b"HEAD":
            return b""
        reader = await self._threads.run(self._blobs.open, repository, digest)
        try:
            await send(request, reader, pieces, self._threads)
        finally:
            reader.close()
        self._context.event_emitter.blob_pulled(request, repository, digest, stat.size_bytes)
        return b""

    @uncancellable
    async def delete(self, request: StreamedRequest, repository: str, digest: Digest) -> bytes:
        """Take a blob out of a repository (end-10)."""
        await self._guard.require(request, repository, DELETE)
        self._context.require_deletes()
        await self._threads.run(self._blobs.delete, repository, digest)
        await self._context.event_emitter.blob_deleted(request, repository, digest)
        request.setResponseCode(202)
        return empty_body(request)


def _describe(request: StreamedRequest, stat: BlobStat) -> Sequence[MultipartPiece]:
    """
    Set status and headers for a blob, and tell what to send.

    :raises RegistryError: The client wants it on a condition that does not hold.
    """
    require_if_match(request.header_values("If-Match"), stat.digest)
    request.set_header("Docker-Content-Digest", str(stat.digest))
    request.set_header("ETag", f'"{stat.digest}"')
    request.set_header("Cache-Control", _CACHE_CONTROL)
    request.set_header("Accept-Ranges", "bytes")
    if is_not_modified(request.header_values("If-None-Match"), stat.digest):
        request.setResponseCode(304)
        return ()
    ranges = _ranges(request, stat)
    content_type = OCTET_STREAM
    pieces: Sequence[MultipartPiece] = (MultipartPiece(b"", 0, stat.size_bytes),)
    if len(ranges) == 1:
        pieces = (MultipartPiece(b"", ranges[0].start, ranges[0].stop),)
        end = ranges[0].stop - 1
        request.set_header("Content-Range", f"bytes {ranges[0].start}-{end}/{stat.size_bytes}")
    elif ranges:
        spans = [(each.start, each.stop) for each in ranges]
        parts = byte_ranges(spans, stat.size_bytes, OCTET_STREAM)
        content_type, pieces = parts.content_type, parts.pieces
    request.setResponseCode(206 if ranges else 200)
    request.set_header("Content-Type", content_type)
    request.set_header("Content-Length", str(sum(piece.length for piece in pieces)))
    return pieces


def _ranges(request: StreamedRequest, stat: BlobStat) -> Sequence[ByteRange]:
    """
    Return which ranges to send; none for the whole.

    Only for GET is there such a thing, and only if the client means this very content.

    :see: RFC 9110, sections 13.1.5 and 14.2.
    """
    wanted, on_condition = request.header_values("Range"), request.header_values("If-Range")
    if request.method != b"GET" or len(wanted) != 1:
        return ()
    if on_condition not in ([], [f'"{stat.digest}"']):
        return ()
    return parse_ranges(wanted[0], stat.size_bytes)
