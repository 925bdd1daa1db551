"""
Who sent a request, and whether they may do what it asks for.

:see: RFC 9110, 11; distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Protocol

from holm_registry.auth.htpasswd import Htpasswd
from holm_registry.auth.identity import ANONYMOUS, PULL, Identity
from holm_registry.auth.remembered import Remembered
from holm_registry.auth.robots import Robots
from holm_registry.auth.rules import Rules
from holm_registry.auth.tokens import Issuer, TokenInvalid
from holm_registry.http.request import StreamedRequest
from holm_registry.http.shield import shielded
from holm_registry.oci.errors import Denied, TooManyRequests, Unauthorized
from holm_registry.threads import Threads

from .bearer import Bearer

#: How many passwords may wait to be checked: whoever guesses fills no memory.
MAX_CHECKING = 64


class Guard(Protocol):
    """What routes ask before they do anything."""

    #: Whether anybody may do anything.
    is_open: bool

    async def require(self, request: StreamedRequest, repository: str, *actions: str) -> None:
        """
        Let a request pass if whoever sent it may do this.

        :raises Unauthorized: They have not said who they are, or not so that it is believed.
        :raises Denied: They may not.
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
        :raises Unauthorized: There is nothing that they might see.
        """

    async def which(
        self, request: StreamedRequest, repository: str, actions: Sequence[str]
    ) -> Sequence[str]:
        """Tell which actions whoever sent a request, which was let pass, may do elsewhere."""


class Refusals(Protocol):
    """Hears of what is refused."""

    def refused(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...], status: int
    ) -> None:
        """Hear that somebody was kept from doing something."""


class OpenGuard:
    """Lets everybody pass: there are no logins and no rules."""

    is_open = True

    async def require(self, request: StreamedRequest, repository: str, *actions: str) -> None:
        """See :class:`Guard`."""

    async def require_entry(self, request: StreamedRequest) -> None:
        """See :class:`Guard`."""

    async def require_list(self, request: StreamedRequest) -> Callable[[str], bool] | None:
        """See :class:`Guard`."""
        return None

    async def which(
        self, request: StreamedRequest, repository: str, actions: Sequence[str]
    ) -> Sequence[str]:
        """See :class:`Guard`."""
        return actions


class LoginGuard:
    """
    Lets pass who may.

    :param users: Who can log in by a password; None for nobody.
    :param robots: Who can log in by a key; None for nobody.
    :param bearer: Whose tokens are taken; None for nobody's.
    :param realm: What a password is asked for by.
    :param audit: Hears of what is refused; None for nobody.
    :param threads: Where passwords are checked: a few of their own, so that guessing keeps nobody
        else waiting.
    """

    is_open = False

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        *,
        rules: Rules,
        realm: str,
        threads: Threads,
        users: Htpasswd | None = None,
        robots: Robots | None = None,
        bearer: Bearer | None = None,
        audit: Refusals | None = None,
    ) -> None:
        self._audit = audit
        self._rules = rules
        self._users = users
        self._robots = robots
        self._bearer = bearer
        self._realm = realm
        self._threads = threads
        self._remembered = Remembered()
        self._checking = 0

    @property
    def issuer(self) -> Issuer | None:
        """What gives out tokens for these logins, where this registry does so itself."""
        return None if self._bearer is None else self._bearer.issuer

    async def require(self, request: StreamedRequest, repository: str, *actions: str) -> None:
        """See :class:`Guard`."""
        try:
            await self._require(request, repository, actions)
        except (Unauthorized, Denied) as problem:
            if self._audit is not None:
                self._audit.refused(request, repository, actions, problem.status)
            raise

    async def _require(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...]
    ) -> None:
        scope = f"repository:{repository}:{','.join(actions)}"
        identity = await self.identify(request, scope)
        if all(self._rule_allows(identity, repository, action) for action in actions):
            if all(identity.is_granted(repository, action) for action in actions):
                return
            raise self._refuse(request, scope, "insufficient_scope", _detail(repository, actions))
        if identity.is_anonymous:
            error = "" if identity.grants is None else "insufficient_scope"
            raise self._refuse(request, scope, error, _detail(repository, actions))
        raise Denied(detail=_detail(repository, actions))

    async def require_entry(self, request: StreamedRequest) -> None:
        """
        See :class:`Guard`.

        Docker learns here, and only here, how to log in: it is always asked to, unless nobody can.
        """
        try:
            identity = await self.identify(request, "")
        except Unauthorized as problem:
            if self._audit is not None:
                self._audit.refused(request, "", ("login",), problem.status)
            raise
        can_log_in = (self._users, self._robots, self._bearer) != (None, None, None)
        if identity == ANONYMOUS and (can_log_in or not self._rules.opens_anything("")):
            raise self._refuse(request, "", "")

    async def require_list(self, request: StreamedRequest) -> Callable[[str], bool] | None:
        """See :class:`Guard`."""
        scope = "registry:catalog:*"
        identity = await self.identify(request, scope)
        if not identity.lists:
            raise self._refuse(request, scope, "insufficient_scope")
        if identity == ANONYMOUS and not self._rules.opens_anything(""):
            raise self._refuse(request, scope, "")
        return lambda repository: self._rule_allows(identity, repository, PULL)

    async def which(
        self, request: StreamedRequest, repository: str, actions: Sequence[str]
    ) -> Sequence[str]:
        """See :class:`Guard`."""
        return self.allowed(await self.identify(request, ""), repository, actions)

    def allowed(self, identity: Identity, repository: str, actions: Sequence[str]) -> list[str]:
        """Give those of some actions that somebody may do."""
        return [
            action
            for action in actions
            if self._rule_allows(identity, repository, action)
            and identity.is_granted(repository, action)
        ]

    def _rule_allows(self, identity: Identity, repository: str, action: str) -> bool:
        """Tell whether somebody may do something, as far as it is not for their token to say."""
        if identity.robot is not None:
            robot = None if self._robots is None else self._robots.get(identity.name)
            if robot is not None and robot.scope.allows(repository, action):
                return True
            return self._rules.allows("", repository, action)
        if identity.grants is not None and not self._rules.are_given:
            return True
        return self._rules.allows(identity.name, repository, action)

    async def identify(self, request: StreamedRequest, scope: str) -> Identity:
        """
        Tell who sent a request.

        :param scope: What a token would have to be for, to be named where one is missing.
        :raises Unauthorized: They say who they are, and it is not believed.
        """
        kind, _, rest = (request.header("Authorization") or "").strip().partition(" ")
        identity = ANONYMOUS
        if kind.lower() == "bearer" and self._bearer is not None:
            try:
                identity = self._bearer.verify(rest.strip())
                self._require_robot(identity)
            except TokenInvalid:
                raise self._refuse(request, scope, "invalid_token") from None
        elif kind.lower() == "basic":
            identity = await self._log_in(rest)
        elif not kind and request.client_name:
            identity = Identity(request.client_name)
        elif kind:
            raise self._refuse(request, scope, "invalid_token")
        request.actor = identity.name
        return identity

    def _require_robot(self, identity: Identity) -> None:
        """
        Make sure that a token's robot was not revoked since.

        :raises TokenInvalid: It was.
        """
        if identity.robot is None:
            return
        robot = None if self._robots is None else self._robots.get(identity.name)
        if robot is None or robot.created != identity.robot:
            raise TokenInvalid("the robot was revoked")

    async def _log_in(self, encoded: str) -> Identity:
        try:
            login = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error:
            raise self.ask_for_password() from None
        if login == b":":
            # Clients without a login say so, when they were asked for one.
            return ANONYMOUS
        name, _, password = login.partition(b":")
        user = name.decode("utf-8", "replace")
        robot = None if self._robots is None else self._robots.get(user)
        if robot is not None and robot.has(password):
            return Identity(user, robot=robot.created)
        if self._users is None or not await self._is_right(self._users, user, password):
            raise self.ask_for_password()
        return Identity(user)

    async def _is_right(self, users: Htpasswd, name: str, password: bytes) -> bool:
        # A user who was just removed is not known any more, nor one with a new password.
        version = users.current()
        if self._remembered.knows(version, name, password):
            return True
        if self._checking >= MAX_CHECKING:
            raise TooManyRequests("too many logins at once", headers={"Retry-After": "1"})
        if not await self._check(users, name, password):
            return False
        # By the version from before: if the file has changed meanwhile, it is checked again.
        self._remembered.add(version, name, password)
        return True

    @shielded
    async def _check(self, users: Htpasswd, name: str, password: bytes) -> bool:
        """Check a password; it counts until it was checked, though its client may have left."""
        self._checking += 1
        try:
            return await self._threads.run(users.check, name, password)
        finally:
            self._checking -= 1

    def _refuse(
        self, request: StreamedRequest, scope: str, error: str, detail: object = None
    ) -> Unauthorized:
        """Say how to come back: with a token, where some are taken, else with a password."""
        challenge = f'Basic realm="{self._realm}"'
        if self._bearer is not None:
            challenge = self._bearer.challenge(request, scope, error)
        return Unauthorized(detail=detail, headers={"WWW-Authenticate": challenge})

    def ask_for_password(self) -> Unauthorized:
        """Ask for another password, of who came with one: a browser can ask its user again."""
        return Unauthorized(headers={"WWW-Authenticate": f'Basic realm="{self._realm}"'})


def _detail(repository: str, actions: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"Type": "repository", "Class": "", "Name": repository, "Action": action}
        for action in actions
    ]
