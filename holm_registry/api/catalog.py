from __future__ import annotations

from klein import Klein

from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.paging import next_page_query, parse_page

from .context import ApiContext

#: How many repositories to list for a client that does not say (registry:2's number).
_DEFAULT = 100


class CatalogRoutes:
    """``/v2/_catalog``."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._catalog = context.registry.catalog

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        app.route("/v2/_catalog", methods=["GET"], endpoint="catalog")(self.list)

    async def list(self, request: StreamedRequest) -> bytes:
        """List repositories in order: those that the user may pull from."""
        seen = await self._context.authorizer.require_list(request)
        maximum = self._context.max_catalog
        page = parse_page(
            request.argument("n"),
            request.argument("last"),
            default=min(_DEFAULT, maximum),
            maximum=maximum,
        )

        async def make() -> bytes:
            names, more = await self._context.threads.run(self._catalog.page, page, seen)
            query = next_page_query(page, names, more=more)
            if query is not None:
                link = self._context.locations.next_page(request, "/v2/_catalog", **query)
                request.set_header("Link", link)
            return json_body(request, {"repositories": names})

        return await self._context.lists.answer(request, make)
