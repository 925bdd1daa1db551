from __future__ import annotations

from klein import Klein

from holm_registry.http.json_body import empty_body
from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import ContentMissing, InvalidRequest
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import read_form
from holm_registry.ui.web.rendering import accepts_gzip
from holm_registry.ui.web.routing import route
from holm_registry.ui.web.security import local_path

_YEAR_SECONDS = 365 * 86400


class AssetsAndTheme:
    """Style sheet and script, and the choice of colours."""

    def __init__(self, context: UiContext) -> None:
        self._assets = context.assets
        self._sites = context.sites
        self._base = context.base

    def register(self, app: Klein) -> None:
        """Add the routes."""
        route(app, "GET", "/static/<version>/<name>", self.asset)
        route(app, "GET", "/favicon.ico", self.icon)
        route(app, "POST", "/theme", self.theme)

    def asset(self, request: StreamedRequest, version: str, name: str) -> bytes:
        """Return an asset, to be kept for ever."""
        asset = self._assets.get(name)
        if asset is None or asset.path != f"/static/{version}/{name}":
            raise ContentMissing("no such file")
        request.set_header("Content-Type", asset.content_type)
        request.set_header("Cache-Control", f"public, max-age={_YEAR_SECONDS}, immutable")
        request.set_header("Vary", "Accept-Encoding")
        content = asset.content
        if accepts_gzip(request):
            request.set_header("Content-Encoding", "gzip")
            content = asset.compressed
        request.set_header("Content-Length", str(len(content)))
        return content

    def icon(self, request: StreamedRequest) -> bytes:
        """Send browsers that guess to the icon there is."""
        return see_other(request, self._base(request) + self._assets["icon.svg"].path)

    async def theme(self, request: StreamedRequest) -> bytes:
        """Keep the choice of colours in a cookie, and go back."""
        self._sites.require_own(request)
        form = await read_form(request)
        theme = form.require("theme")
        if theme not in ("dark", "light"):
            raise InvalidRequest(f"no such theme: {theme[:100]!r}")
        base = self._base(request)
        request.addCookie(
            "theme", theme, max_age=str(_YEAR_SECONDS), path=f"{base}/", sameSite="lax"
        )
        return see_other(request, local_path(form.one("back"), base))


def see_other(request: StreamedRequest, location: str) -> bytes:
    """Send a browser elsewhere, with a GET."""
    request.setResponseCode(303)
    request.set_header("Location", location)
    return empty_body(request)
