from __future__ import annotations

from klein import Klein

from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.ui.client.single_flight import with_deadline
from holm_registry.ui.pages.repositories import look_at_all
from holm_registry.ui.state.freshness import CatalogState, fresh_names
from holm_registry.ui.state.reader import PATIENCE_SECONDS, RegistryReader
from holm_registry.ui.views.search import SearchResults, search
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import query_of
from holm_registry.ui.web.routing import route


class SearchPage:
    """Finding repositories and tags."""

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/search", self.show)
        route(app, "GET", "/api/search", self.answer)

    async def show(self, request: StreamedRequest) -> bytes:
        """Show what was found."""
        names, results = await self._search(request)
        cut = self._context.registry_view(request).cut
        return await self._context.templates.render(
            request, "search.html", results=results, names=names, cut=cut
        )

    async def answer(self, request: StreamedRequest) -> bytes:
        """Return what was found, for programs."""
        _, results = await self._search(request)
        found = [{"repository": match.repository, "tags": match.tags} for match in results.found]
        cut = self._context.registry_view(request).cut or results.unlisted
        whole: dict[str, object] = {"complete": False} if cut else {}
        return json_body(request, {"query": results.query, "results": found, **whole})

    async def _search(self, request: StreamedRequest) -> tuple[CatalogState, SearchResults]:
        context = self._context
        reader: RegistryReader = await context.reader(request)
        names = await fresh_names(reader, context.settings.repositories)
        if names.stale is None:
            await with_deadline(
                context.clock, PATIENCE_SECONDS, lambda: look_at_all(reader, images=False)
            )
            reader.survey()
        query = query_of(request).one("q")[:300]
        return names, await context.threads.run(search, reader.registry_view.snapshots(), query)
