from __future__ import annotations

from klein import Klein

from holm_registry.http.json_body import empty_body, json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import Unavailable

from .context import ApiContext


class VersionCheckRoutes:
    """``/v2/``, by which clients and probes see whether a registry is there, and ``/``."""

    def __init__(self, context: ApiContext) -> None:
        self._guard = context.authorizer
        self._troubles = context.health_failures

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        app.route("/v2/", methods=["GET"], endpoint="base")(self.base)
        app.route("/", methods=["GET"], endpoint="root")(self.root)

    async def base(self, request: StreamedRequest) -> bytes:
        """
        Tell that this is a registry (end-1).

        Here alone what is not well is told with a 503: what can still be served is served.
        """
        await self._guard.require_entry(request)
        troubles = self._troubles()
        if troubles:
            raise Unavailable(f"health check failed: {'; '.join(troubles)}")
        return json_body(request, {})

    def root(self, request: StreamedRequest) -> bytes:
        """Answer the health check of a load balancer."""
        request.set_header("Cache-Control", "no-cache")
        return empty_body(request)
