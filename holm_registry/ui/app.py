"""
The UI as one resource.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote_to_bytes

from klein import Klein
from klein.resource import KleinResource
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from holm_registry.http.request import StreamedRequest
from holm_registry.metrics.resource import MetricsResource

from .pages.api import ApiPages
from .pages.assets_and_theme import AssetsAndTheme
from .pages.compare import ComparePage
from .pages.delete import DeletePage
from .pages.deleting import DeletingPage
from .pages.image import ImagePage
from .pages.login import LoginPage
from .pages.repositories import RepositoriesPage
from .pages.repository import RepositoryPage
from .pages.search import SearchPage
from .web.context import UiContext
from .web.error_pages import ErrorPages
from .web.routing import route
from .web.security import put_headers
from .web.unrouted import UnroutedErrors


class _UiRoutes(Protocol):
    def register(self, app: Klein) -> None: ...


def build_app(context: UiContext) -> Klein:
    """Make the Klein application."""
    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    pages: list[_UiRoutes] = [
        RepositoriesPage(context),
        RepositoryPage(context),
        ImagePage(context),
        ComparePage(context),
        DeletePage(context),
        DeletingPage(context),
        SearchPage(context),
        LoginPage(context),
        ApiPages(context),
        AssetsAndTheme(context),
        ErrorPages(context),
    ]
    route(app, "GET", "/metrics", MetricsResource(context.metrics, context.threads).get_metrics)
    for page in pages:
        page.register(app)
    context.metrics.add_pages(rule.rule for rule in app.url_map.iter_rules())
    return app


class UiResource(Resource):
    """What every request meets first: the headers of every answer, and addresses that are none."""

    isLeaf = True

    def __init__(self, context: UiContext) -> None:
        super().__init__()
        self._errors = UnroutedErrors(context)
        self._klein = KleinResource(build_app(context))
        self._base_of = context.base

    def render(self, request: StreamedRequest) -> bytes | int:
        """Answer a request."""
        put_headers(request)
        try:
            unquote_to_bytes(request.path).decode()
        except UnicodeDecodeError:
            self._errors.answer(request, 400, "the address is not UTF-8")
            return NOT_DONE_YET
        if self._enter(request, self._base_of(request)):
            request.setResponseCode(308)
            request.set_header("Location", f"{self._base_of(request)}/")
            return b""
        self._klein.render(request)
        return NOT_DONE_YET

    @staticmethod
    def _enter(request: StreamedRequest, base: str) -> bool:
        """
        Take away the path below which the UI is, where no proxy has done it.

        :return: Whether the address lacks the slash after it, as links on a page need it.
        """
        below = base.encode()
        if not base or not (request.path + b"/").startswith(below + b"/"):
            return False
        if request.path == below:
            return True
        request.path = request.path[len(below) :]
        request.uri = request.uri[len(below) :]
        request.postpath = (request.postpath or [])[base.count("/") :]
        return False
