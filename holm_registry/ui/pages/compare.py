from __future__ import annotations

from typing import Any

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import InvalidRequest, UiError
from holm_registry.ui.model.comparison import (
    ADDED,
    REMOVED,
    SAME,
    environment,
    history_changes,
    labels,
    layer_changes,
    value_changes,
)
from holm_registry.ui.model.documents import DocumentInvalid, ImageConfig, Manifest, read
from holm_registry.ui.model.references import parse_image
from holm_registry.ui.state.image_loader import LoadedImage, load_image
from holm_registry.ui.state.reader import RegistryReader
from holm_registry.ui.views.image import image_view
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import Form, query_of
from holm_registry.ui.web.routing import route


class ComparePage:
    """Two images side by side."""

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/compare", self.show)

    async def show(self, request: StreamedRequest) -> bytes:
        """Compare two images, or ask which."""
        context, reader = self._context, await self._context.reader(request)
        query = query_of(request)
        chosen = _chosen(query)
        data: dict[str, Any] = {"comparison": None, "problem": None}
        status = 200
        if chosen["a"] and chosen["b"]:
            try:
                before = await self._open(reader, chosen["a"], chosen["platform"])
                after = await self._open_beside(reader, chosen, before)
                data["comparison"] = await context.threads.run(compare, before, after)
            except UiError as problem:
                if problem.status not in (400, 404):
                    raise
                data["problem"], status = problem, problem.status
        return await context.templates.render(
            request, "compare.html", status=status, chosen=chosen, **data
        )

    async def _open_beside(
        self, reader: RegistryReader, chosen: dict[str, str], before: LoadedImage
    ) -> LoadedImage:
        """Open the other image: for the same platform if it has that and none was chosen."""
        try:
            return await self._open(reader, chosen["b"], chosen["platform"] or before.platform)
        except InvalidRequest:
            if chosen["platform"]:
                raise
        return await self._open(reader, chosen["b"], "")

    async def _open(self, reader: RegistryReader, text: str, platform: str) -> LoadedImage:
        registry = self._context.settings.public_registry
        return await load_image(reader, parse_image(text, registry), platform)


def _chosen(query: Form) -> dict[str, str]:
    """Return the two images, named whole or as ticked tags of one repository."""
    chosen = {name: query.one(name) for name in ("a", "b", "platform")}
    ticked = [f"{query.one('repo')}:{tag}" for tag in query.all("tag")[:2]]
    if query.one("repo") and not chosen["a"]:
        # The newest is ticked first, and it is what came after.
        chosen.update(zip(("b", "a"), ticked, strict=False))
    return chosen


def compare(before: LoadedImage, after: LoadedImage) -> dict[str, Any]:
    """Work out what differs."""
    views = [
        image_view(image.payload, image.media_type, image.config, {}) for image in (before, after)
    ]
    manifests = [_read(image.payload, Manifest) for image in (before, after)]
    configs = [_read(image.config or b"{}", ImageConfig) for image in (before, after)]
    parts = [[*(manifest.layers or []), *(manifest.blobs or [])] for manifest in manifests]
    layers = layer_changes(parts[0], parts[1], configs[0], configs[1])
    return {
        "before": before,
        "after": after,
        "views": views,
        "delta": views[1].size - views[0].size,
        "layers": layers,
        "sums": {
            change: (
                sum(layer.change == change for layer in layers),
                sum(layer.size for layer in layers if layer.change == change),
            )
            for change in (SAME, ADDED, REMOVED)
        },
        "settings": value_changes(
            *({fact.name: fact.value for fact in view.facts} for view in views)
        ),
        "environment": value_changes(*map(environment, configs)),
        "labels": value_changes(*map(labels, configs)),
        "history": history_changes(configs[0], configs[1]),
    }


def _read(content: bytes, kind: type[Any]) -> Any:
    try:
        return read(content, kind)
    except DocumentInvalid:
        return kind()
