"""
``/auth/token``: a token for a password, or for nothing.

:see: distribution, "Token Authentication Specification", "How to authenticate".
"""

from __future__ import annotations

from datetime import UTC, datetime

from klein import Klein

from holm_registry.auth.identity import Identity
from holm_registry.auth.scopes import Scopes
from holm_registry.auth.tokens import Issuer
from holm_registry.http.json import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.names import is_repository

from .guard import LoginGuard

#: More repositories than fit into a token.
_MAX_SCOPES = 400


class TokenRoutes:
    """``/auth/token``."""

    def __init__(self, guard: LoginGuard, issuer: Issuer) -> None:
        self._guard = guard
        self._issuer = issuer

    def register(self, app: Klein) -> None:
        """Add the route to an application."""
        app.route("/auth/token", methods=["GET"], endpoint="token")(self.give)

    async def give(self, request: StreamedRequest) -> bytes:
        """
        Give a token for those of the scopes that whoever asks may have.

        What is left out is no error: the client finds out when it uses the token. A token buys no
        other one, which might be good for more.
        """
        identity = await self._guard.identify(request, "")
        if identity.grants is not None:
            raise self._guard.ask_for_password()
        return self._answer(request, identity, request.arguments("scope"))

    def _answer(self, request: StreamedRequest, identity: Identity, texts: list[str]) -> bytes:
        token = self._issuer.issue(identity, self._granted(identity, Scopes.parse(texts)))
        request.set_header("Cache-Control", "no-store")
        issued_at = datetime.fromtimestamp(token.issued_at, UTC).isoformat(timespec="seconds")
        return json_body(
            request,
            {
                "token": token.text,
                "access_token": token.text,
                "scope": token.scope,
                "expires_in": int(token.seconds),
                "issued_at": issued_at.replace("+00:00", "Z"),
            },
        )

    def _granted(self, identity: Identity, wanted: Scopes) -> Scopes:
        permissions = self._guard.permissions
        repositories = {
            name: [action for action in actions if permissions.permits(identity, name, action)]
            # The last ones: more do not fit into a token.
            for name, actions in list(wanted.repositories.items())[-_MAX_SCOPES:]
            if is_repository(name)
        }
        return Scopes(repositories, wanted.catalog and permissions.may_list(identity))
