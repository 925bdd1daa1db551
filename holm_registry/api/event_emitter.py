"""
Events of what requests do.
"""

from __future__ import annotations

from typing import Protocol

from attrs import Factory, frozen

from holm_registry.content.manifest_store import ManifestDescription
from holm_registry.http.request import StreamedRequest
from holm_registry.notifications.events import (
    DELETE,
    MOUNT,
    PULL,
    PUSH,
    Event,
    EventActor,
    EventReference,
    EventSource,
    EventTarget,
    RequestRecord,
)
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestInvalid
from holm_registry.oci.manifest import parse_manifest
from holm_registry.oci.media_types import OCTET_STREAM

from .locations import Locations


class EventSink(Protocol):
    """Somewhere to put events."""

    async def publish(self, event: Event) -> None:
        """Put one there before anything goes on."""

    def publish_soon(self, event: Event) -> None:
        """Put one there in a moment."""


@frozen
class FanOut:
    """
    Several places to put events.

    Implements :class:`EventSink`, which describes the methods.
    """

    all: tuple[EventSink, ...]

    async def publish(self, event: Event) -> None:
        for each in self.all:
            await each.publish(event)

    def publish_soon(self, event: Event) -> None:
        for each in self.all:
            each.publish_soon(event)


@frozen
class EventEmitter:
    """
    Makes events of what requests do.

    :ivar publisher: Receives them; None for none.
    :ivar references: Whether to tell what a manifest that was pushed names.
    """

    publisher: EventSink | None = None
    locations: Locations = Factory(Locations)
    source: EventSource = Factory(EventSource)
    references: bool = False

    async def manifest_pushed(
        self,
        request: StreamedRequest,
        repository: str,
        described: ManifestDescription,
        tags: list[str],
        references: list[EventReference],
    ) -> None:
        """
        Tell of a manifest that was pushed, once for each tag it got.

        :param references: What it names, where that is to be told: :meth:`references_of`.
        """
        if self.publisher is None:
            return
        for tag in tags or [""]:
            target = self._manifest(request, repository, described, tag)
            target.references = references
            await self._publish(PUSH, request, target)

    def references_of(self, content: bytes) -> list[EventReference]:
        """Return what a manifest names; nothing unless that is to be told. For threads."""
        return _references(content) if self.references and self.publisher is not None else []

    def manifest_pulled(
        self,
        request: StreamedRequest,
        repository: str,
        described: ManifestDescription,
        reference: Digest | str,
    ) -> None:
        """Tell of a manifest that was pulled."""
        if self.publisher is not None and request.method == b"GET":
            tag = reference if isinstance(reference, str) else ""
            target = self._manifest(request, repository, described, tag)
            self.publisher.publish_soon(self._event(PULL, request, target))

    async def manifest_deleted(
        self, request: StreamedRequest, repository: str, reference: Digest | str
    ) -> None:
        """Tell of a manifest, or a tag alone, that was deleted."""
        if isinstance(reference, str):
            await self._publish(DELETE, request, EventTarget(repository=repository, tag=reference))
        else:
            await self.blob_deleted(request, repository, reference)

    async def blob_pushed(
        self, request: StreamedRequest, repository: str, digest: Digest, size_bytes: int
    ) -> None:
        """Tell of a blob that was pushed."""
        await self._publish(PUSH, request, self._blob(request, repository, digest, size_bytes))

    async def blob_mounted(
        self,
        request: StreamedRequest,
        repository: str,
        digest: Digest,
        size_bytes: int,
    ) -> None:
        """Tell of a blob that was mounted."""
        target = self._blob(request, repository, digest, size_bytes)
        target.from_repository = request.argument("from") or ""
        await self._publish(MOUNT, request, target)

    def blob_pulled(
        self, request: StreamedRequest, repository: str, digest: Digest, size_bytes: int
    ) -> None:
        """Tell of a blob that was pulled."""
        if self.publisher is not None:
            target = self._blob(request, repository, digest, size_bytes)
            self.publisher.publish_soon(self._event(PULL, request, target))

    async def blob_deleted(self, request: StreamedRequest, repository: str, digest: Digest) -> None:
        """Tell of a blob that was deleted."""
        await self._publish(DELETE, request, EventTarget(repository=repository, digest=str(digest)))

    async def _publish(self, action: str, request: StreamedRequest, target: EventTarget) -> None:
        if self.publisher is not None:
            await self.publisher.publish(self._event(action, request, target))

    def _event(self, action: str, request: StreamedRequest, target: EventTarget) -> Event:
        asker = RequestRecord(
            id=request.request_id,
            addr=request.peer,
            host=request.header("Host") or "",
            method=request.method.decode("latin-1"),
            useragent=request.header("User-Agent") or "",
        )
        actor = EventActor(request.actor)
        return Event(action=action, target=target, request=asker, actor=actor, source=self.source)

    def _manifest(
        self, request: StreamedRequest, repository: str, described: ManifestDescription, tag: str
    ) -> EventTarget:
        return EventTarget(
            media_type=described.media_type,
            size=described.size_bytes,
            length=described.size_bytes,
            digest=str(described.digest),
            repository=repository,
            url=self._url(request, "manifests", repository, described.digest),
            tag=tag,
        )

    def _blob(
        self, request: StreamedRequest, repository: str, digest: Digest, size_bytes: int
    ) -> EventTarget:
        return EventTarget(
            media_type=OCTET_STREAM,
            size=size_bytes,
            length=size_bytes,
            digest=str(digest),
            repository=repository,
            url=self._url(request, "blobs", repository, digest),
        )

    def _url(self, request: StreamedRequest, kind: str, repository: str, digest: Digest) -> str:
        return self.locations.absolute(request, f"/v2/{repository}/{kind}/{digest}")


def _references(content: bytes) -> list[EventReference]:
    try:
        manifest = parse_manifest(content)
    except ManifestInvalid:
        return []
    return [
        EventReference(media_type=each.media_type, size=each.size, digest=each.digest)
        for _, each in (*manifest.blobs, *manifest.manifests)
    ]
