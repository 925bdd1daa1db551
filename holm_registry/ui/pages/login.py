from __future__ import annotations

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import LoginRequired
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import query_of
from holm_registry.ui.web.routing import route
from holm_registry.ui.web.security import local_path

from .assets_and_theme import see_other


class LoginPage:
    """
    A login for who sees what is open and wants more, and the way out of it.

    The login itself is the browser's: it keeps name and password, and sends them to the UI, which
    passes them on.
    """

    def __init__(self, context: UiContext) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes."""
        route(app, "GET", "/login", self.log_in)
        route(app, "GET", "/logout", self.log_out)

    async def log_in(self, request: StreamedRequest) -> bytes:
        """Have the browser ask its user; go back with a login that the registry believes."""
        if request.header("Authorization") is None:
            raise LoginRequired(
                "log in with the registry's name and password", url="", challenges=()
            )
        await (await self._context.reader(request)).client.ping()
        base = self._context.base(request)
        return see_other(request, local_path(query_of(request).one("back"), base))

    async def log_out(self, request: StreamedRequest) -> bytes:
        """
        Have the browser forget the login.

        There is no word of HTTP for it. A refusal that asks for nothing the browser knows makes it
        give up what it has sent; browsers that keep it are told to clear it as well.
        """
        self._context.sites.require_own(request)
        request.set_header("WWW-Authenticate", 'Logout realm="registry"')
        request.set_header("Clear-Site-Data", '"cookies"')
        return await self._context.templates.render(request, "logout.html", status=401)
