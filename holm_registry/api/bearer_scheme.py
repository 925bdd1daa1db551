from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from holm_registry.auth.identity import Identity
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.http.request import StreamedRequest


@frozen
class BearerScheme:
    """
    Tokens that are taken, and where clients get them.

    :ivar verify: Tells whom a token is for; raises
        :class:`~holm_registry.auth.tokens.TokenInvalid`.
    :ivar service: What tokens have to be for.
    :ivar realm: Tells the address that gives them.
    :ivar issuer: What gives them, where that is this registry itself.
    :see: distribution, "Token Authentication Specification".
    """

    verify: Callable[[str], Identity]
    service: str
    realm: Callable[[StreamedRequest], str]
    issuer: TokenIssuer | None = None

    def challenge(self, request: StreamedRequest, scope: str, error: str) -> str:
        """Return how to come back, as ``WWW-Authenticate``."""
        parts = [f'realm="{self.realm(request)}"', f'service="{self.service}"']
        parts += [f'scope="{scope}"'] if scope else []
        parts += [f'error="{error}"'] if error else []
        return f"Bearer {','.join(parts)}"
