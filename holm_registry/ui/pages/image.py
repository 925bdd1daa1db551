from __future__ import annotations

from collections.abc import Sequence

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.errors import ContentMissing, LoginRequired, UiError
from holm_registry.ui.model.artifact_types import ATTESTATION, artifact_detail
from holm_registry.ui.model.attachments import AttachedArtifact
from holm_registry.ui.model.documents import DocumentInvalid, Manifest, read
from holm_registry.ui.model.pull_commands import pull_commands
from holm_registry.ui.model.references import ImageReference, parse_image
from holm_registry.ui.model.summaries import summary_of
from holm_registry.ui.state.freshness import fresh_tags
from holm_registry.ui.state.image_loader import LoadedImage, load_image, payload_of
from holm_registry.ui.state.reader import RegistryReader
from holm_registry.ui.state.referrers import attached_to, with_sizes
from holm_registry.ui.views.image import image_view, tags_with_layers
from holm_registry.ui.views.index import index_view
from holm_registry.ui.views.tags import aliases_of
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import query_of
from holm_registry.ui.web.rendering import compressed, send
from holm_registry.ui.web.routing import route

#: How many attestations of one image are opened to see what they attest.
_MAX_ATTESTATIONS = 16


class ImagePage:
    """One image, taken apart."""

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/image/<path:reference>", self.show)
        route(app, "GET", "/raw/<path:reference>", self.raw)

    async def show(self, request: StreamedRequest, reference: str) -> bytes:
        """Show an image, or one platform of an index."""
        context, reader = self._context, await self._context.reader(request)
        image = parse_image(reference)
        try:
            opened = await load_image(reader, image, query_of(request).one("platform"))
        except RegistryNotFound:
            await self._require_unlisted(reader, image)
            raise
        await self._know_tags(reader, image)
        await reader.learn(image.repository, opened.digest)
        attached, unattached = await self._attached(reader, opened)
        snapshot = reader.snapshot(image.repository)
        counts = await context.threads.run(tags_with_layers, context.content_cache, snapshot.tagset)
        view = await context.threads.run(
            image_view, opened.payload, opened.media_type, opened.config, counts
        )
        whole = await context.threads.run(summary_of, context.content_cache, opened.digest)
        return await context.templates.render(
            request,
            "image.html",
            opened=opened,
            view=view,
            summary=whole,
            aliases=aliases_of(snapshot.tagset).get(opened.digest, ()),
            attached=attached,
            unattached=unattached,
            may_delete=context.registry_view(request).may_delete(image.repository),
            index=await context.threads.run(
                index_view, context.content_cache, opened, snapshot.tagset.absent
            ),
            commands=pull_commands(
                whole.kind if whole else view.kind,
                context.settings.public_registry,
                image.repository,
                tag=image.tag,
                digest=opened.digest,
            ),
        )

    async def raw(self, request: StreamedRequest, reference: str) -> bytes:
        """Return a manifest, or the config it names, as JSON."""
        reader, image = await self._context.reader(request), parse_image(reference)
        query = query_of(request)
        opened = await load_image(reader, image, query.one("platform"))
        whole = opened.index is not None and not query.one("platform")
        content = opened.index if whole and opened.index is not None else opened.payload
        if query.one("config"):
            if opened.config is None:
                raise RegistryNotFound(f"{image} has no config that could be shown")
            content = opened.config
        page = await self._context.threads.run(compressed, content)
        return send(request, page, "application/json")

    async def _require_unlisted(self, reader: RegistryReader, image: ImageReference) -> None:
        """
        Check that the registry does not list a tag that it does not find.

        :raises ContentMissing: It does: the manifest is lost.
        """
        repository = await reader.tags(image.repository)
        if image.tag in repository.tags:
            raise ContentMissing(
                f"{image} is listed, but its manifest is missing in the registry; the tag can be "
                "deleted from the repository's page"
            )

    async def _know_tags(self, reader: RegistryReader, image: ImageReference) -> None:
        """Know the repository's tags, for aliases; an image may be there without any."""
        try:
            await fresh_tags(reader, image.repository)
        except LoginRequired:
            raise
        except UiError:
            return
        if image.tag:
            await reader.look(image.repository, [image.tag])
        reader.study_all(image.repository)

    async def _attached(
        self, reader: RegistryReader, opened: LoadedImage
    ) -> tuple[Sequence[AttachedArtifact], str]:
        """Find what refers to the image and to the platform shown; or say why not."""
        repository = opened.reference.repository
        found: list[AttachedArtifact] = []
        try:
            for digest in dict.fromkeys((opened.digest, opened.chosen)):
                listed = await attached_to(reader, repository, digest)
                found += await with_sizes(reader, repository, listed)
            for entry in opened.entries[:_MAX_ATTESTATIONS]:
                if entry.attests == opened.chosen:
                    found += await self._attestations(reader, repository, entry.digest)
        except LoginRequired:
            raise
        except UiError as problem:
            return found, problem.message
        return found, ""

    async def _attestations(
        self, reader: RegistryReader, repository: str, digest: str
    ) -> Sequence[AttachedArtifact]:
        """Return what BuildKit put beside an image: a layer for each statement."""
        try:
            content, _ = await payload_of(reader, repository, digest)
            layers = read(content, Manifest).layers or []
        except (RegistryNotFound, DocumentInvalid):
            return ()
        return [
            AttachedArtifact(
                digest,
                artifact_detail((layer.annotations or {}).get("in-toto.io/predicate-type", ""))
                or ATTESTATION,
                (layer.annotations or {}).get("in-toto.io/predicate-type", layer.media_type),
                max(0, layer.size),
                digest,
            )
            for layer in layers
        ]
