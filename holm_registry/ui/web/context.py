"""
What every page needs.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, define
from twisted.internet.interfaces import IReactorTime

from holm_registry.http.request import StreamedRequest
from holm_registry.threads import Threads
from holm_registry.ui.client.client import RegistryClient
from holm_registry.ui.state.anonymous_access import AnonymousAccess
from holm_registry.ui.state.content_cache import ContentCache
from holm_registry.ui.state.flash_messages import FlashMessages
from holm_registry.ui.state.reader import RegistryReader
from holm_registry.ui.state.visitor_cache import RegistryView, VisitorCaches

from .assets import Asset
from .login_throttle import LoginThrottle
from .metrics import UiMetrics
from .rendering import Templates
from .security import SiteOrigins
from .settings import UiSettings


@define
class UiContext:
    """
    The parts of the UI.

    :ivar client: Sends requests to the registry, without a login.
    """

    settings: UiSettings
    client: RegistryClient
    clock: IReactorTime
    threads: Threads
    templates: Templates
    assets: Mapping[str, Asset]
    metrics: UiMetrics
    content_cache: ContentCache = Factory(ContentCache)
    visitor_caches: VisitorCaches = Factory(VisitorCaches)
    flash_messages: FlashMessages = Factory(FlashMessages)
    login_throttle: LoginThrottle = Factory(
        lambda self: LoginThrottle(self.clock.seconds), takes_self=True
    )

    sites: SiteOrigins = Factory(
        lambda self: SiteOrigins(self.settings.allowed_hosts, self.settings.public_registry),
        takes_self=True,
    )
    anonymous_access: AnonymousAccess = Factory(
        lambda self: AnonymousAccess(self.client.ping_as, self.clock), takes_self=True
    )

    async def reader(self, request: StreamedRequest) -> RegistryReader:
        """
        Return a reader that asks in the name of the visitor who sent a request.

        :raises TooManyLogins: Too many logins from there were wrong.
        """
        if request.header("Authorization"):
            await self.anonymous_access.settle()
        authorization = self._login(request)
        if authorization and not self.visitor_caches.believes(authorization):
            self.login_throttle.require(request)
        registry_view = self.visitor_caches.of(authorization)
        client = self.client.for_visitor(authorization, registry_view.hear)
        return RegistryReader(client, registry_view, self.content_cache, self.clock)

    def base(self, request: StreamedRequest) -> str:
        """
        Return the path below which a visitor sees the UI, without a slash at its end.

        It is set, or a trusted proxy says what it took away.
        """
        return self.settings.base_path or request.forwarded.prefix

    def registry_view(self, request: StreamedRequest) -> RegistryView:
        """Return what the visitor who sent a request knows."""
        return self.visitor_caches.of(self._login(request))

    def _login(self, request: StreamedRequest) -> str:
        """Return a visitor's login; empty where the registry asks for none: all are one then."""
        return "" if self.anonymous_access.is_open else request.header("Authorization") or ""

    def require_safe(self, request: StreamedRequest) -> None:
        """
        Refuse to change anything for another site, or under a name that may be another site's.

        Another site cannot know a login; but where the registry asks for none, any will do.

        :raises Forbidden: It is not safe.
        """
        self.sites.require_own(request)
        if not (self._login(request) and self.anonymous_access.is_known):
            self.sites.require_known_host(request)
