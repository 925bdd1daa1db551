from __future__ import annotations

from klein import Klein

from holm_registry.auth.identity import PULL
from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.paging import PageRequest, next_page_query, parse_page

from .context import ApiContext


class TagRoutes:
    """``/v2/<name>/tags/list``."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._tags = context.registry.tags

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        url = "/v2/<repository:repository>/tags/list"
        app.route(url, methods=["GET"], endpoint="tags_list")(self.list)

    async def list(self, request: StreamedRequest, repository: str) -> bytes:
        """List tags in order, all or a page (end-8a, end-8b)."""
        await self._context.authorizer.require(request, repository, PULL)
        page = parse_page(request.argument("n"), request.argument("last"))
        if page.limit is not None:
            # registry:3 lists fewer rather than refuse.
            page = PageRequest(min(page.limit, self._context.max_tags), page.last)

        async def make() -> bytes:
            names, more = await self._context.threads.run(self._tags.page, repository, page)
            query = next_page_query(page, names, more=more)
            if query is not None:
                path = f"/v2/{repository}/tags/list"
                link = self._context.locations.next_page(request, path, **query)
                request.set_header("Link", link)
            return json_body(request, {"name": repository, "tags": names})

        return await self._context.lists.answer(request, make)
