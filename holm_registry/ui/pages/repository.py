from __future__ import annotations

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.model.artifact_types import IMAGE
from holm_registry.ui.model.pull_commands import pull_commands
from holm_registry.ui.model.references import require_repository
from holm_registry.ui.state.freshness import fresh_tags
from holm_registry.ui.state.reader import RegistryReader
from holm_registry.ui.views.paging import Listing, read_listing
from holm_registry.ui.views.tags import ORDERS, RepositoryView, page_names, repository_view
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import query_of
from holm_registry.ui.web.rendering import PageLinks
from holm_registry.ui.web.routing import route


class RepositoryPage:
    """The tags of a repository."""

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/repo/<path:name>", self.show)

    async def show(self, request: StreamedRequest, name: str) -> bytes:
        """List the tags, and what is known of those on the page soon."""
        context, reader = self._context, await self._context.reader(request)
        name = require_repository(name)
        query = query_of(request)
        outcome = context.flash_messages.get(query.one("result"), name)
        try:
            stale = await fresh_tags(reader, name)
        except RegistryNotFound:
            if outcome is None:
                raise
            # The last tag is gone, and the registry knows no such repository any more.
            return await context.templates.render(
                request, "emptied.html", name=name, outcome=outcome
            )
        listing = read_listing(PageLinks(context.base(request)).repository(name), query, ORDERS)
        if stale is None:
            await self._look(reader, name, listing)
        view = await context.threads.run(
            repository_view, context.content_cache, reader.snapshot(name), listing
        )
        commands, full = self._commands(view), context.content_cache.full
        return await context.templates.render(
            request,
            "repository.html",
            view=view,
            stale=stale,
            full=full,
            cut=reader.snapshot(name).cut,
            outcome=outcome,
            commands=commands,
            may_delete=context.registry_view(request).may_delete(name),
        )

    async def _look(self, reader: RegistryReader, name: str, listing: Listing) -> None:
        """Look at the tags that the page will show, and begin to look at all others."""
        context = self._context
        shown = await context.threads.run(
            page_names, context.content_cache, reader.snapshot(name), listing
        )
        await reader.look(name, shown)
        reader.study_all(name)

    def _commands(self, view: RepositoryView) -> object:
        """Write the pull commands of the first row."""
        if not view.page.rows:
            return ()
        row = view.page.rows[0]
        kind = row.summary.kind if row.summary else IMAGE
        registry = self._context.settings.public_registry
        return pull_commands(kind, registry, view.name, tag=row.name)
