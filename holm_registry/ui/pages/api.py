from __future__ import annotations

from klein import Klein

from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.ui.client.client import NameList
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.errors import RegistryRefused, UiError
from holm_registry.ui.model.references import require_repository
from holm_registry.ui.state.freshness import NO_CATALOG
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.routing import route


class ApiPages:
    """Names for programs, and whether the UI is well."""

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes; several have a second address that scripts in use call."""
        for path in ("/api/repos", "/api/repositories", "/api/catalog"):
            route(app, "GET", path, self.repositories)
        for path in ("/api/tags/<path:name>", "/api/repositories/<path:name>/tags"):
            route(app, "GET", path, self.tags)
        route(app, "GET", "/health", self.health)

    async def repositories(self, request: StreamedRequest) -> bytes:
        """List the repositories."""
        reader = await self._context.reader(request)
        try:
            listed = await reader.all_names()
        except (RegistryNotFound, RegistryRefused) as problem:
            named = self._context.settings.repositories
            if problem.registry_status not in NO_CATALOG or not named:
                raise
            return json_body(request, {"repositories": list(named)})
        return json_body(request, {"repositories": sorted(listed.names), **_cut(listed)})

    async def tags(self, request: StreamedRequest, name: str) -> bytes:
        """List the tags of a repository, in the registry's order."""
        name = require_repository(name)
        listed = await (await self._context.reader(request)).all_tags(name)
        return json_body(request, {"repo": name, "tags": listed.names, **_cut(listed)})

    async def health(self, request: StreamedRequest) -> bytes:
        """Report this process as healthy; with ``deep=1``, report the registry's health."""
        if request.argument("deep") in (None, "", "0"):
            return json_body(request, {"status": "healthy"})
        try:
            await (await self._context.reader(request)).client.ping()
        except UiError as problem:
            show_url = self._context.settings.show_urls
            request.setResponseCode(503)
            return json_body(request, {"status": "unhealthy", **problem.as_json(show_url=show_url)})
        return json_body(request, {"status": "healthy"})


def _cut(listed: NameList) -> dict[str, bool]:
    """Return where a list is too long to be read whole."""
    return {} if listed.complete else {"complete": False}
