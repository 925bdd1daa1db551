"""
All of ``/v2/`` as one resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from klein import Klein
from klein.resource import KleinResource
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from holm_registry.http.cors import Cors
from holm_registry.http.default_headers import DefaultHeaders
from holm_registry.http.json_body import empty_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import NameInvalid, NameUnknown, RegistryError, TooManyRequests

from .authorizer import RuleAuthorizer
from .blobs import BlobRoutes
from .canonical_path import canonical_path, redirect_target
from .catalog import CatalogRoutes
from .context import ApiContext
from .converters import CONVERTERS
from .error_log import log_error
from .errors import ErrorHandlers, render_error
from .manifests import ManifestRoutes
from .referrers import ReferrerRoutes
from .route_cache import cache_routes
from .tags import TagRoutes
from .token import TokenRoutes
from .uploads import UploadRoutes
from .version_check import VersionCheckRoutes

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

#: What a browser may be told of without asking a route: every method any of them has.
_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class _ApiRoutes(Protocol):
    def register(self, app: Klein) -> None: ...


def build_app(context: ApiContext) -> Klein:
    """Make the Klein application."""
    app = Klein()
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters.update(CONVERTERS)
    nouns: list[_ApiRoutes] = [
        VersionCheckRoutes(context),
        CatalogRoutes(context),
        UploadRoutes(context),
        BlobRoutes(context),
        ManifestRoutes(context),
        TagRoutes(context),
        ReferrerRoutes(context),
        ErrorHandlers(),
    ]
    if isinstance(context.authorizer, RuleAuthorizer) and context.authorizer.issuer is not None:
        nouns.append(TokenRoutes(context.authorizer, context.authorizer.issuer))
    for noun in nouns:
        noun.register(app)
    cache_routes(app)
    return app


class ApiResource(Resource):
    """
    What every request meets first: the headers of every answer, preflight requests, and addresses
    that no route should ever see.

    :param headers: Sent with each answer, errors included: ``http.headers``.
    :param prefix: The folder the API lies in, with both slashes: ``http.prefix``.
    """

    isLeaf = True

    def __init__(
        self, context: ApiContext, headers: Mapping[str, Sequence[str]], prefix: str = "/"
    ) -> None:
        super().__init__()
        self._app = build_app(context)
        self._klein = KleinResource(self._app)
        self._prefix = prefix.encode()
        self._cors = Cors(headers)
        self._headers = DefaultHeaders(
            [
                ("Docker-Distribution-Api-Version", ["registry/2.0"]),
                ("Server", ["holm-registry"]),
                *self._cors.constant,
            ]
        )
        # Those that the site has put there; of ours there is nothing to take away.
        self._left_out = [name for name, values in headers.items() if not values]

    def render(self, request: StreamedRequest) -> bytes | int:
        """Answer a request."""
        self._headers.apply(request)
        self._cors.apply(request)
        for name in self._left_out:
            request.responseHeaders.removeHeader(name)
        request.save_headers()
        site: Any = request.site
        refused = site.rate_limiter.admit(request)
        if refused is not None:
            return _refuse(request, _too_many(*refused))
        if request.method == b"OPTIONS":
            request.set_header("Allow", _METHODS)
            return empty_body(request)
        path = canonical_path(request.path, self._prefix)
        if path is not None and self._leads_somewhere(path):
            return self._redirect(request, path)
        try:
            self._enter(request)
        except RegistryError as problem:
            return _refuse(request, problem)
        self._klein.render(request)
        return NOT_DONE_YET

    def _leads_somewhere(self, path: bytes) -> bool:
        if not path.startswith(self._prefix):
            return False
        inner = "/" + unquote_to_bytes(path[len(self._prefix) :]).decode("utf-8", "replace")
        adapter = self._app.url_map.bind(
            "localhost", path_info=inner, default_method="PUT", url_scheme="http"
        )
        return bool(list(adapter.allowed_methods(inner)))

    def _redirect(self, request: StreamedRequest, path: bytes) -> bytes:
        # 308 keeps method and body, which clients change for 301 where it is not GET.
        request.setResponseCode(301 if request.method in (b"GET", b"HEAD") else 308)
        query = request.uri.partition(b"?")[2]
        location = redirect_target(path, query, request.forwarded.prefix)
        request.set_header("Location", location)
        return empty_body(request)

    def _enter(self, request: StreamedRequest) -> None:
        """
        Step into the prefix, and refuse addresses that hide something.

        :raises RegistryError: The address is outside, or not plain.
        """
        if not request.path.startswith(self._prefix):
            raise NameUnknown("no such address in this API")
        path = request.path[len(self._prefix) :]
        decoded = unquote_to_bytes(path)
        if b"%2f" in path.lower() or _CONTROL.search(decoded):
            raise NameInvalid("an address may hold no encoded slash and no control character")
        try:
            decoded.decode()
        except UnicodeDecodeError:
            raise NameInvalid("the address is not UTF-8") from None
        request.postpath = decoded.split(b"/")


def _refuse(request: StreamedRequest, error: RegistryError) -> bytes:
    log_error(request, error)
    return render_error(request, error)


def _too_many(reason: str, seconds: float) -> TooManyRequests:
    return TooManyRequests(reason, headers={"Retry-After": str(ceil(seconds))})
