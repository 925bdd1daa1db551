"""
``/auth/token``: a token for a password, or for nothing.

:see: distribution, "Token Authentication Specification", "How to authenticate".
"""

from __future__ import annotations

from datetime import UTC, datetime

from klein import Klein

from holm_registry.auth.identity import ACTIONS
from holm_registry.auth.tokens import Issuer
from holm_registry.http.json import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import NameInvalid
from holm_registry.oci.names import parse_repository

from .guard import LoginGuard

#: A client that mounts asks for two.
_MAX_SCOPES = 100


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
        wanted = _scopes(request.arguments("scope"))
        grants = {
            repository: self._guard.allowed(identity, repository, actions)
            for repository, actions in wanted.items()
        }
        token = self._issuer.issue(identity, grants)
        request.set_header("Cache-Control", "no-store")
        issued_at = datetime.fromtimestamp(token.issued_at, UTC).isoformat(timespec="seconds")
        return json_body(
            request,
            {
                "token": token.text,
                "access_token": token.text,
                "expires_in": int(token.seconds),
                "issued_at": issued_at.replace("+00:00", "Z"),
            },
        )


def _scopes(texts: list[str]) -> dict[str, list[str]]:
    """Read ``repository:NAME:ACTIONS``, several of which may be in one text; pass over others."""
    found: dict[str, list[str]] = {}
    scopes = [scope for text in texts for scope in text.split(" ")]
    for scope in scopes[:_MAX_SCOPES]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        try:
            repository = parse_repository(name)
        except NameInvalid:
            continue
        if kind == "repository":
            wanted = ACTIONS if "*" in actions.split(",") else actions.split(",")
            found.setdefault(repository, []).extend(each for each in wanted if each in ACTIONS)
    return found
