"""
Who sent a request, and whether they may do what it asks for.

:see: RFC 9110, 11; distribution, "Token Authentication Specification".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from holm_registry.auth.htpasswd import HtpasswdFile
from holm_registry.auth.identity import PULL, Identity
from holm_registry.auth.permissions import Permissions
from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.rules import Rules
from holm_registry.auth.scopes import CATALOG
from holm_registry.auth.tokens import TokenIssuer
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import Denied, Unauthorized
from holm_registry.threads import Threads

from .authenticator import Authenticator, InvalidCredentials
from .bearer_scheme import BearerScheme


class Authorizer(Protocol):
    """What routes ask before they do anything."""

    #: Whether every request is allowed.
    is_open: bool

    async def require(
        self, request: StreamedRequest, repository: str, *actions: str, mount_from: str = ""
    ) -> None:
        """
        Let a request pass if its sender may do this.

        :param mount_from: A repository from which a blob is to be mounted. It is not asked for
            here, but a client that needs a token is told to get one for that as well.
        :raises Unauthorized: The login is missing or wrong, or its token is not for this.
        :raises Denied: The sender is known, and may not.
        """

    async def require_entry(self, request: StreamedRequest) -> None:
        """
        Let a request pass that is about no repository in particular.

        :raises Unauthorized: As above.
        """

    async def require_list(self, request: StreamedRequest) -> Callable[[str], bool] | None:
        """
        Let a request pass that lists repositories.

        :return: Tells which are to be listed; None for all.
        :raises Unauthorized: The login is missing or wrong, or its token is not for the catalog.
        """

    async def allowed_actions(
        self, request: StreamedRequest, repository: str, actions: Sequence[str]
    ) -> Sequence[str]:
        """Return the actions that the user of an allowed request may do on another repository."""


class DenialObserver(Protocol):
    """Hears of what is refused."""

    def refused(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...], status: int
    ) -> None:
        """Record that a request was denied."""


class AllowAll:
    """
    Lets everybody pass: there are no logins and no rules.

    Implements :class:`Authorizer`, which describes the methods.
    """

    is_open = True

    async def require(
        self, request: StreamedRequest, repository: str, *actions: str, mount_from: str = ""
    ) -> None:
        pass

    async def require_entry(self, request: StreamedRequest) -> None:
        pass

    async def require_list(self, request: StreamedRequest) -> Callable[[str], bool] | None:
        return None

    async def allowed_actions(
        self, request: StreamedRequest, repository: str, actions: Sequence[str]
    ) -> Sequence[str]:
        return actions


class RuleAuthorizer:
    """
    Lets pass who may.

    Implements :class:`Authorizer`, which describes the methods.

    :param users: The users with passwords; None for none.
    :param robots: The robot accounts; None for none.
    :param bearer: The tokens that are accepted; None for none.
    :param realm: What a password is asked for by.
    :param audit: Observes denied requests; None for none.
    :param threads: Threads for nothing but passwords.
    """

    is_open = False

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        *,
        rules: Rules,
        realm: str,
        threads: Threads,
        users: HtpasswdFile | None = None,
        robots: RobotAccounts | None = None,
        bearer: BearerScheme | None = None,
        audit: DenialObserver | None = None,
    ) -> None:
        self._audit = audit
        self._bearer = bearer
        self._realm = realm
        has_logins = (users, robots, bearer) != (None, None, None)
        self.permissions = Permissions(rules, robots, has_logins)
        self.authenticator = Authenticator(self.permissions, users, robots, bearer, threads)

    @property
    def issuer(self) -> TokenIssuer | None:
        """What gives out tokens for these logins, where this registry does so itself."""
        return None if self._bearer is None else self._bearer.issuer

    async def require(
        self, request: StreamedRequest, repository: str, *actions: str, mount_from: str = ""
    ) -> None:
        scope = f"repository:{repository}:{','.join(actions)}"
        if mount_from:
            scope = f"{scope} repository:{mount_from}:{PULL}"
        try:
            await self._require(request, repository, actions, scope)
        except (Unauthorized, Denied) as problem:
            self.audit_denial(request, repository, actions, problem.status)
            raise

    async def _require(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...], scope: str
    ) -> None:
        identity = await self.identify(request, scope)
        if all(self.permissions.allows(identity, repository, action) for action in actions):
            return
        detail = _detail(repository, actions)
        permitted = all(
            self.permissions.rules_allow(identity, repository, action) for action in actions
        )
        if identity.is_anonymous or permitted:
            # Another login, or another token of the same login, may be enough.
            raise self._refuse(request, scope, _insufficient(identity), detail)
        raise Denied(detail=detail)

    async def require_entry(self, request: StreamedRequest) -> None:
        try:
            identity = await self.identify(request, "")
            if not self.permissions.may_use_api(identity):
                raise self._refuse(request, "", _insufficient(identity))
        except Unauthorized as problem:
            self.audit_denial(request, "", ("login",), problem.status)
            raise

    async def require_list(self, request: StreamedRequest) -> Callable[[str], bool] | None:
        identity = await self.identify(request, CATALOG)
        if not self.permissions.may_list_catalog(identity):
            raise self._refuse(request, CATALOG, _insufficient(identity))
        permitted = self.permissions.rule_check(identity)
        return lambda repository: permitted(repository, PULL)

    async def allowed_actions(
        self, request: StreamedRequest, repository: str, actions: Sequence[str]
    ) -> Sequence[str]:
        identity = await self.identify(request, "")
        return [
            action for action in actions if self.permissions.allows(identity, repository, action)
        ]

    async def identify(self, request: StreamedRequest, scope: str) -> Identity:
        """
        Return who sent a request.

        :param scope: What a token would have to be for, to be named where the login is wrong.
        :raises Unauthorized: The login is wrong.
        """
        try:
            return await self.authenticator.identify(request)
        except InvalidCredentials as problem:
            if problem.was_password:
                raise self.ask_for_password() from None
            raise self._refuse(request, scope, "invalid_token") from None

    def audit_denial(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...], status: int
    ) -> None:
        """Write a refusal into the audit log, if there is one."""
        if self._audit is not None:
            self._audit.refused(request, repository, actions, status)

    def _refuse(
        self, request: StreamedRequest, scope: str, error: str, detail: object = None
    ) -> Unauthorized:
        """Return how to come back: with a token, where some are taken, else with a password."""
        challenge = f'Basic realm="{self._realm}"'
        if self._bearer is not None:
            challenge = self._bearer.challenge(request, scope, error)
        return Unauthorized(detail=detail, headers={"WWW-Authenticate": challenge})

    def ask_for_password(self) -> Unauthorized:
        """Ask for another password, of who came with one: a browser can ask its user again."""
        return Unauthorized(headers={"WWW-Authenticate": f'Basic realm="{self._realm}"'})


def _insufficient(identity: Identity) -> str:
    """Return the error of a challenge for a login that is right, and not enough."""
    return "" if identity.grants is None else "insufficient_scope"


def _detail(repository: str, actions: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"Type": "repository", "Class": "", "Name": repository, "Action": action}
        for action in actions
    ]
