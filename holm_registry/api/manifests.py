from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from klein import Klein

from holm_registry.auth.identity import DELETE, PULL, PUSH
from holm_registry.content.manifest_store import (
    LARGE_BYTES,
    LargeManifest,
    ManifestDescription,
    StoredManifest,
)
from holm_registry.http.cancellation import uncancellable
from holm_registry.http.json_body import empty_body
from holm_registry.http.multipart import MultipartPiece
from holm_registry.http.request import StreamedRequest
from holm_registry.http.sendfile import send
from holm_registry.http.warning_header import warn
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import SizeInvalid, TagInvalid
from holm_registry.oci.media_types import DOCKER_LIST
from holm_registry.oci.names import parse_tag
from holm_registry.oci.preconditions import accepts, is_not_modified, require_if_match

from .context import ApiContext
from .upload_owner import owner_of

#: How many ``?tag=`` one request may bring (the specification wants at least ten).
MAX_TAG_PARAMETERS = 100


class ManifestRoutes:
    """``/v2/<name>/manifests/<reference>``."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._guard = context.authorizer
        self._manifests = context.registry.manifests
        self._tags = context.registry.tags
        self._threads = context.threads

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        url = "/v2/<repository:repository>/manifests/<reference:reference>"
        app.route(url, methods=["GET"], endpoint="manifest_get")(self.get)
        app.route(url, methods=["PUT"], endpoint="manifest_put")(self.put)
        app.route(url, methods=["DELETE"], endpoint="manifest_delete")(self.delete)

    async def get(
        self, request: StreamedRequest, repository: str, reference: Digest | str
    ) -> bytes:
        """Serve a manifest as it was pushed, or just its headers (end-3)."""
        await self._guard.require(request, repository, PULL)
        found: StoredManifest | LargeManifest | None = self._context.memory.count(
            self._manifests.cached(repository, reference)
        )
        if found is None:
            found = await self._find(repository, reference)
        described = await self._described(request, found)
        if _needs_platform(request, reference, described.media_type):
            # An old Docker, which understands images and no lists of them.
            child = await self._threads.run(
                self._manifests.for_platform, repository, described.digest, "amd64", "linux"
            )
            if child is not None:
                found = await self._find(repository, child)
                described = await self._described(request, found)
        if not await self._describe(request, repository, reference, described):
            return b""
        if isinstance(found, StoredManifest):
            return found.content
        return await self._send_file(request, found)

    async def _find(
        self, repository: str, reference: Digest | str
    ) -> StoredManifest | LargeManifest:
        """Find a manifest, and have it in memory unless it is large."""
        try:
            return await self._threads.run(self._manifests.get, repository, reference, LARGE_BYTES)
        except LargeManifest as large:
            return large

    async def _described(
        self, request: StreamedRequest, found: StoredManifest | LargeManifest
    ) -> ManifestDescription:
        if isinstance(found, StoredManifest):
            return found.description
        if found.described is not None:
            return found.described
        async with request.memory.reserve(2 * found.size_bytes):
            return await self._threads.run(self._manifests.describe, found)

    async def _send_file(self, request: StreamedRequest, large: LargeManifest) -> bytes:
        """Send a manifest from the store: clients that read slowly would fill the memory."""
        if request.method == b"HEAD":
            return b""
        reader = await self._threads.run(self._manifests.open, large)
        try:
            await send(request, reader, [MultipartPiece(b"", 0, large.size_bytes)], self._threads)
        finally:
            reader.close()
        return b""

    async def _describe(
        self,
        request: StreamedRequest,
        repository: str,
        reference: Digest | str,
        described: ManifestDescription,
    ) -> bool:
        """
        Set the headers of an answer.

        :return: Whether the client wants the manifest as well: it does not have it yet.
        """
        require_if_match(request.header_values("If-Match"), described.digest)
        request.set_header("Allow", await self._context.methods(request, repository))
        digest = str(described.digest)
        request.set_header("Docker-Content-Digest", digest)
        request.set_header("ETag", f'"{digest}"')
        if is_not_modified(request.header_values("If-None-Match"), described.digest):
            request.setResponseCode(304)
            return False
        request.set_header("Content-Type", described.media_type)
        request.set_header("Content-Length", str(described.size_bytes))
        self._context.event_emitter.manifest_pulled(request, repository, described, reference)
        return True

    @uncancellable
    async def put(
        self, request: StreamedRequest, repository: str, reference: Digest | str
    ) -> bytes:
        """Take in a manifest (end-7)."""
        await self._guard.require(request, repository, PULL, PUSH)
        self._context.require_writes()
        tags = _tag_arguments(request)
        tagged = [reference, *tags] if isinstance(reference, str) else tags
        async with self._read(request, repository) as payload:
            accepted = await self._threads.run(
                self._manifests.put,
                repository,
                reference,
                payload,
                content_type=request.header("Content-Type") or "",
                tags=tags,
            )
            announcer = self._context.event_emitter
            described = ManifestDescription(accepted.digest, accepted.media_type, len(payload))
            references = []
            if announcer.references:
                references = await self._threads.run(announcer.references_of, payload)
            await announcer.manifest_pushed(request, repository, described, tagged, references)
        request.setResponseCode(201)
        location = self._context.locations.manifest(request, repository, accepted.digest)
        request.set_header("Location", location)
        request.set_header("Docker-Content-Digest", str(accepted.digest))
        if accepted.subject is not None:
            request.set_header("OCI-Subject", str(accepted.subject))
        warn(request, self._context.registry.quotas.warning(repository))
        if tags:
            request.responseHeaders.setRawHeaders("OCI-Tag", tags)
        return empty_body(request)

    @asynccontextmanager
    async def _read(self, request: StreamedRequest, repository: str) -> AsyncIterator[bytes]:
        """
        Have a manifest that is sent in memory, as long as it is worked with.

        :raises SizeInvalid: It is too large.
        :raises ClientDisconnected: It broke off.
        """
        most = self._context.max_manifest_bytes
        if (request.content_length or 0) > most:
            raise _too_large(most)
        if not await request.body.buffer_all():
            async with self._read_through_store(request, repository, most) as content:
                yield content
            return
        content = b"".join(await request.body.read())
        if len(content) > most:
            raise _too_large(most)
        async with request.memory.reserve(2 * len(content)):
            yield content

    @asynccontextmanager
    async def _read_through_store(
        self, request: StreamedRequest, repository: str, most: int
    ) -> AsyncIterator[bytes]:
        """Let a manifest that is too large to wait for in memory arrive in the store."""
        uploads, run = self._context.registry.uploads, self._threads.run
        session_id = await run(uploads.start, repository, owner=owner_of(request))
        session = await run(uploads.open, repository, session_id)
        try:
            while buffers := await request.body.read():
                if session.size_bytes + sum(map(len, buffers)) > most:
                    raise _too_large(most)
                await run(session.append, buffers)
            async with request.memory.reserve(2 * session.size_bytes):
                content = await run(session.content)
                await run(session.abort)
                yield content
        finally:
            await run(session.abort)

    @uncancellable
    async def delete(
        self, request: StreamedRequest, repository: str, reference: Digest | str
    ) -> bytes:
        """Delete a tag alone, or a manifest with the tags that point at it (end-9)."""
        await self._guard.require(request, repository, DELETE)
        self._context.require_deletes()
        if isinstance(reference, str):
            await self._threads.run(self._tags.delete, repository, reference)
        else:
            await self._threads.run(self._manifests.delete, repository, reference)
        await self._context.event_emitter.manifest_deleted(request, repository, reference)
        request.setResponseCode(202)
        return empty_body(request)


def _needs_platform(request: StreamedRequest, reference: Digest | str, media_type: str) -> bool:
    """Return whether one image of a list is to be sent in its place; the client is told of it."""
    if not isinstance(reference, str) or media_type != DOCKER_LIST:
        return False
    request.vary("Accept")
    return not accepts(request.header_values("Accept"), DOCKER_LIST)


def _tag_arguments(request: StreamedRequest) -> list[str]:
    tags = request.arguments("tag")
    if len(tags) > MAX_TAG_PARAMETERS:
        raise TagInvalid(f"more than {MAX_TAG_PARAMETERS} tag parameters", status=414)
    return [parse_tag(tag) for tag in tags]


def _too_large(max_bytes: int) -> SizeInvalid:
    return SizeInvalid(f"manifest larger than {max_bytes} bytes", status=413)
