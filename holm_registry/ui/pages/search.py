from __future__ import annotations

from klein import Klein

from holm_registry.http.json import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.ui.context import Context
from holm_registry.ui.flights import patiently
from holm_registry.ui.news import Names, fresh_names
from holm_registry.ui.pages.repositories import look_at_all
from holm_registry.ui.parameters import query_of
from holm_registry.ui.reader import PATIENCE_SECONDS, Reader
from holm_registry.ui.routing import route
from holm_registry.ui.views.search import Results, search


class SearchPage:
    """Finding repositories and tags."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/search", self.show)
        route(app, "GET", "/api/search", self.answer)

    async def show(self, request: StreamedRequest) -> bytes:
        """Show what was found."""
        names, results = await self._search(request)
        cut = self._context.library(request).cut
        return await self._context.templates.render(
            request, "search.html", results=results, names=names, cut=cut
        )

    async def answer(self, request: StreamedRequest) -> bytes:
        """Give what was found, for programs."""
        _, results = await self._search(request)
        found = [{"repository": each.repository, "tags": each.tags} for each in results.found]
        cut = self._context.library(request).cut or results.unlisted
        whole: dict[str, object] = {"complete": False} if cut else {}
        return json_body(request, {"query": results.query, "results": found, **whole})

    async def _search(self, request: StreamedRequest) -> tuple[Names, Results]:
        context = self._context
        reader: Reader = await context.reader(request)
        names = await fresh_names(reader, context.settings.repositories)
        if names.stale is None:
            await patiently(
                context.clock, PATIENCE_SECONDS, lambda: look_at_all(reader, images=False)
            )
            reader.survey()
        query = query_of(request).one("q")[:300]
        return names, await context.threads.run(search, reader.library.shots(), query)
