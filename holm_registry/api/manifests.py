from __future__ import annotations

from klein import Klein

from holm_registry.auth.identity import DELETE, PULL, PUSH
from holm_registry.http.body import BodyTooLarge
from holm_registry.http.json import empty_body
from holm_registry.http.request import StreamedRequest
from holm_registry.http.shield import shielded
from holm_registry.http.warning import warn
from holm_registry.oci.conditions import accepts, matches, require_match
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import SizeInvalid, TagInvalid
from holm_registry.oci.mediatypes import DOCKER_LIST
from holm_registry.oci.names import parse_tag

from .announcer import pushed
from .context import Context

#: How many ``?tag=`` one request may bring (the specification wants at least ten).
MAX_TAG_PARAMETERS = 100


class ManifestRoutes:
    """``/v2/<name>/manifests/<reference>``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._guard = context.guard
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
        payload = self._context.memory.count(self._manifests.peek(repository, reference))
        if payload is None:
            payload = await self._threads.run(self._manifests.get, repository, reference)
        if isinstance(reference, str) and payload.media_type == DOCKER_LIST:
            request.vary("Accept")
            if not accepts(request.lines("Accept"), DOCKER_LIST):
                # An old Docker, which understands images and no lists of them.
                payload = await self._threads.run(
                    self._manifests.for_platform, repository, payload, "amd64", "linux"
                )
        require_match(request.lines("If-Match"), payload.digest)
        request.set_header("Allow", await self._context.methods(request, repository))
        request.set_header("Docker-Content-Digest", str(payload.digest))
        request.set_header("ETag", f'"{payload.digest}"')
        if matches(request.lines("If-None-Match"), payload.digest):
            request.setResponseCode(304)
            return b""
        request.set_header("Content-Type", payload.media_type)
        request.set_header("Content-Length", str(len(payload.content)))
        self._context.announcer.manifest_pulled(request, repository, payload, reference)
        return payload.content

    @shielded
    async def put(
        self, request: StreamedRequest, repository: str, reference: Digest | str
    ) -> bytes:
        """Take in a manifest (end-7)."""
        await self._guard.require(request, repository, PULL, PUSH)
        self._context.require_writes()
        tags = _tag_arguments(request)
        payload = await _read_manifest(request, self._context.max_manifest_bytes)
        accepted = await self._threads.run(
            self._manifests.put,
            repository,
            reference,
            payload,
            content_type=request.header("Content-Type") or "",
            tags=tags,
        )
        tagged = [reference, *tags] if isinstance(reference, str) else tags
        await self._context.announcer.manifest_pushed(
            request, repository, pushed(accepted.digest, payload), tagged
        )
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

    @shielded
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
        await self._context.announcer.manifest_deleted(request, repository, reference)
        request.setResponseCode(202)
        return empty_body(request)


def _tag_arguments(request: StreamedRequest) -> list[str]:
    tags = request.arguments("tag")
    if len(tags) > MAX_TAG_PARAMETERS:
        raise TagInvalid(f"more than {MAX_TAG_PARAMETERS} tag parameters", status=414)
    return [parse_tag(tag) for tag in tags]


async def _read_manifest(request: StreamedRequest, max_bytes: int) -> bytes:
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    try:
        return await request.body.read_all(max_bytes)
    except BodyTooLarge:
        raise _too_large(max_bytes) from None


def _too_large(max_bytes: int) -> SizeInvalid:
    return SizeInvalid(f"manifest larger than {max_bytes} bytes", status=413)
