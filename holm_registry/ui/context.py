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
from .outcomes import Outcomes
from .reader import Reader
from .rendering import Templates
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

    def reader(self, request: StreamedRequest) -> Reader:
        """
        Give a reader that asks in the name of whoever sent a request.

        :raises TooManyGuesses: Too many logins from there were wrong.
        """
        authorization = request.header("Authorization") or ""
        if authorization and not self.libraries.believes(authorization):
            self.guesses.require(request)
        library = self.libraries.of(authorization)
        client = self.client.for_visitor(authorization, library.hear)
        return Reader(client, library, self.contents, self.clock)

    def library(self, request: StreamedRequest) -> Library:
        """Give what whoever sent a request knows."""
        return self.libraries.of(request.header("Authorization") or "")
