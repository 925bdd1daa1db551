"""
What every page needs.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, define
from twisted.internet.interfaces import IReactorTime

from holm_registry.http.request import StreamedRequest
from holm_registry.threads import Threads

from .assets import Asset
from .client import RegistryClient
from .contents import Contents
from .figures import UiFigures
from .guesses import Guesses
from .library import Libraries, Library
from .openness import Openness
from .outcomes import Outcomes
from .reader import Reader
from .rendering import Templates
from .security import Sites
from .settings import Settings


@define
class Context:
    """
    The parts of the UI.

    :ivar client: Asks the registry, for nobody in particular.
    """

    settings: Settings
    client: RegistryClient
    clock: IReactorTime
    threads: Threads
    templates: Templates
    assets: Mapping[str, Asset]
    figures: UiFigures
    contents: Contents = Factory(Contents)
    libraries: Libraries = Factory(Libraries)
    outcomes: Outcomes = Factory(Outcomes)
    guesses: Guesses = Factory(lambda self: Guesses(self.clock.seconds), takes_self=True)

    sites: Sites = Factory(
        lambda self: Sites(self.settings.allowed_hosts, self.settings.public_registry),
        takes_self=True,
    )
    openness: Openness = Factory(
        lambda self: Openness(self.client.ping_as, self.clock), takes_self=True
    )

    async def reader(self, request: StreamedRequest) -> Reader:
        """
        Give a reader that asks in the name of the visitor who sent a request.

        :raises TooManyGuesses: Too many logins from there were wrong.
        """
        if request.header("Authorization"):
            await self.openness.settle()
        authorization = self._login(request)
        if authorization and not self.libraries.believes(authorization):
            self.guesses.require(request)
        library = self.libraries.of(authorization)
        client = self.client.for_visitor(authorization, library.hear)
        return Reader(client, library, self.contents, self.clock)

    def base(self, request: StreamedRequest) -> str:
        """
        Give the path below which a visitor sees the UI, without a slash at its end.

        It is set, or a trusted proxy says what it took away.
        """
        return self.settings.base_path or request.forwarded.prefix

    def library(self, request: StreamedRequest) -> Library:
        """Give what the visitor who sent a request knows."""
        return self.libraries.of(self._login(request))

    def _login(self, request: StreamedRequest) -> str:
        """Return a visitor's login; empty where the registry asks for none: all are one then."""
        return "" if self.openness.is_open else request.header("Authorization") or ""

    def require_safe(self, request: StreamedRequest) -> None:
        """
        Refuse to change anything for another site, or under a name that may be another site's.

        Another site cannot know a login; but where the registry asks for none, any will do.

        :raises Forbidden: It is not safe.
        """
        self.sites.require_own(request)
        if not (self._login(request) and self.openness.is_known):
            self.sites.require_known_host(request)
