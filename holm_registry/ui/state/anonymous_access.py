"""
Whether a registry asks for no login at all.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable
from math import inf

from twisted.internet.interfaces import IReactorTime

from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.client.single_flight import SingleFlight, with_deadline
from holm_registry.ui.errors import (
    LoginRequired,
    RegistryRefused,
    RegistryTimeout,
    RegistryUnreachable,
)

#: How long what was found out holds, and how long a registry that asked all the same counts as one
#: that asks, in seconds.
OPEN_SECONDS = 60.0
CLOSED_SECONDS = 3600.0

#: How long a visitor waits for it, in seconds.
PATIENCE_SECONDS = 2.0


class AnonymousAccess:
    """
    Tells whether a registry takes any login, and none, alike.

    Then a login says nothing about who sent it: all visitors are one. A registry that takes
    requests without a login is asked once more with a login that does not exist.

    :param ping: Asks the registry whether it is there, with an ``Authorization`` header or, if that
        is empty, without.
    :ivar is_open: Whether it does, as far as that is known.
    :ivar is_known: Whether that is known.
    """

    def __init__(self, ping: Callable[[str], Awaitable[None]], clock: IReactorTime) -> None:
        self._ping = ping
        self._clock = clock
        self._flights = SingleFlight()
        self._until = -inf
        self.is_open = self.is_known = False

    async def settle(self) -> None:
        """Find out, unless that was done a short while ago."""
        if self._clock.seconds() >= self._until:
            await with_deadline(
                self._clock, PATIENCE_SECONDS, lambda: self._flights.join("open", self._ask)
            )

    def refute(self) -> None:
        """Note that the registry has asked for a login."""
        if self.is_open:
            self.is_open = False
            self._until = self._clock.seconds() + CLOSED_SECONDS

    async def _ask(self) -> None:
        nobody = b64encode(secrets.token_hex(16).encode() + b":" + secrets.token_hex(16).encode())
        until = self._clock.seconds() + OPEN_SECONDS
        try:
            is_open = await self._takes("") and await self._takes(f"Basic {nobody.decode()}")
        except (RegistryUnreachable, RegistryTimeout):
            self._until = until
            return  # it stays what it was
        self.is_open, self.is_known, self._until = is_open, True, until

    async def _takes(self, authorization: str) -> bool:
        try:
            await self._ping(authorization)
        except (LoginRequired, RegistryNotFound, RegistryRefused):
            return False
        return True
