from __future__ import annotations

from klein import Klein

from holm_registry.auth.identity import PULL
from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import OCI_INDEX

from .context import ApiContext


class ReferrerRoutes:
    """``/v2/<name>/referrers/<digest>``."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._referrers = context.registry.referrers

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        url = "/v2/<repository:repository>/referrers/<digest:digest>"
        app.route(url, methods=["GET"], endpoint="referrers")(self.list)

    async def list(self, request: StreamedRequest, repository: str, digest: Digest) -> bytes:
        """List who refers to a manifest, which need not exist (end-12a, end-12b)."""
        await self._context.authorizer.require(request, repository, PULL)
        artifact_type = request.argument("artifactType") or ""

        async def make() -> bytes:
            found, last = await self._context.threads.run(
                self._referrers.page,
                repository,
                digest,
                artifact_type=artifact_type,
                last=request.argument("last") or "",
            )
            if artifact_type:
                request.set_header("OCI-Filters-Applied", "artifactType")
            if last:
                query = {"last": last}
                if artifact_type:
                    query["artifactType"] = artifact_type
                path = f"/v2/{repository}/referrers/{digest}"
                request.set_header(
                    "Link", self._context.locations.next_page(request, path, **query)
                )
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
            return json_body(request, index, OCI_INDEX)

        return await self._context.lists.answer(request, make)
