"""
``/auth/token``: a token for a password, or for nothing.

:see: distribution, "Token Authentication Specification", "How to authenticate".
"""

from __future__ import annotations

from datetime import UTC, datetime

from klein import Klein

from holm_registry.auth.identity import Identity
from holm_registry.auth.scopes import Scopes
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import TooManyRequests
from holm_registry.oci.names import is_repository

from .authenticator import InvalidCredentials
from .authorizer import RuleAuthorizer
from .oauth import OAuthError, read_token_form

#: More repositories than fit into a token.
_MAX_SCOPES = 400


class TokenRoutes:
    """``/auth/token``."""

    def __init__(self, guard: RuleAuthorizer, issuer: TokenIssuer) -> None:
        self._guard = guard
        self._issuer = issuer

    def register(self, app: Klein) -> None:
        """Add the routes to an application."""
        app.route("/auth/token", methods=["GET"], endpoint="token")(self.give)
        app.route("/auth/token", methods=["POST"], endpoint="token_by_form")(self.give_for_form)

    async def give(self, request: StreamedRequest) -> bytes:
        """
        Return a token for those of the scopes that the user may have.

        What is left out is no error: the client finds out when it uses the token. A token buys no
        other one, which might be good for more.
        """
        identity = await self._guard.identify(request, "")
        if identity.grants is not None:
            raise self._guard.ask_for_password()
        return self._answer(request, identity, request.arguments("scope"))

    async def give_for_form(self, request: StreamedRequest) -> bytes:
        """
        Return a token for the name and password of a form, and errors as OAuth 2 words them.

        :see: RFC 6749, 4.3 and 5.2.
        """
        try:
            form = await read_token_form(request)
            form.require_password_grant()
            name, password = form.require("username"), form.require("password")
            identity = await self._guard.authenticator.log_in(request, name, password)
        except InvalidCredentials:
            self._guard.audit_denial(request, "", ("login",), 400)
            raise OAuthError("invalid_grant", "wrong name or password") from None
        except TooManyRequests as problem:
            raise OAuthError(
                "temporarily_unavailable", problem.message, problem.status, problem.headers
            ) from None
        request.set_header("Pragma", "no-cache")
        return self._answer(request, identity, form.scopes)

    def _answer(self, request: StreamedRequest, identity: Identity, texts: list[str]) -> bytes:
        robot = self._guard.permissions.current_robot(identity)
        until = None if robot is None else robot.expires
        token = self._issuer.issue(identity, self._granted(identity, Scopes.parse(texts)), until)
        request.actor = identity.name
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
        permitted = permissions.rule_check(identity)
        repositories = {
            name: [action for action in actions if permitted(name, action)]
            # The last ones: more do not fit into a token.
            for name, actions in list(wanted.repositories.items())[-_MAX_SCOPES:]
            if is_repository(name)
        }
        return Scopes(repositories, wanted.catalog and permissions.may_list_catalog(identity))
