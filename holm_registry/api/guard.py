"""
Who sent a request, and whether they may do what it asks for.

:see: RFC 9110, 11; distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Protocol

from holm_registry.auth.htpasswd import Htpasswd
from holm_registry.auth.identity import ANONYMOUS, PULL, Identity
from holm_registry.auth.remembered import Remembered
from holm_registry.auth.rules import Rules
from holm_registry.auth.tokens import Issuer, TokenInvalid
from holm_registry.http.request import StreamedRequest
from holm_registry.http.shield import shielded
from holm_registry.oci.errors import Denied, TooManyRequests, Unauthorized
from holm_registry.threads import Threads

from .locations import Locations

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

    async def may(self, request: StreamedRequest, repository: str, action: str) -> bool:
        """Tell whether whoever sent a request, which was let pass, may do something else."""


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

    async def may(self, request: StreamedRequest, repository: str, action: str) -> bool:
        """See :class:`Guard`."""
        return True


class LoginGuard:
    """
    Lets pass who may.

    :param users: Who can log in; None for nobody.
    :param issuer: Whose tokens are taken; None for none.
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
        users: Htpasswd | None,
        issuer: Issuer | None,
        realm: str,
        threads: Threads,
        locations: Locations,
        audit: Refusals | None = None,
    ) -> None:
        self._audit = audit
        self._rules = rules
        self._users = users
        self.issuer = issuer
        self._realm = realm
        self._threads = threads
        self._locations = locations
        self._remembered = Remembered()
        self._checking = 0

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
        if all(self._rules.allows(identity.name, repository, action) for action in actions):
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
        can_log_in = self._users is not None
        if identity == ANONYMOUS and (can_log_in or not self._rules.opens_anything("")):
            raise self._refuse(request, "", "")

    async def require_list(self, request: StreamedRequest) -> Callable[[str], bool] | None:
        """See :class:`Guard`."""
        scope = "registry:catalog:*"
        identity = await self.identify(request, scope)
        if identity.is_anonymous and not self._rules.opens_anything(""):
            raise self._refuse(request, scope, "")
        return lambda repository: self._rules.allows(identity.name, repository, PULL)

    async def may(self, request: StreamedRequest, repository: str, action: str) -> bool:
        """See :class:`Guard`."""
        identity = await self.identify(request, "")
        return self._rules.allows(identity.name, repository, action) and identity.is_granted(
            repository, action
        )

    def allowed(self, identity: Identity, repository: str, actions: list[str]) -> list[str]:
        """Give those of some actions that somebody may do."""
        return [each for each in actions if self._rules.allows(identity.name, repository, each)]

    async def identify(self, request: StreamedRequest, scope: str) -> Identity:
        """
        Tell who sent a request.

        :param scope: What a token would have to be for, to be named where one is missing.
        :raises Unauthorized: They say who they are, and it is not believed.
        """
        kind, _, rest = (request.header("Authorization") or "").strip().partition(" ")
        identity = ANONYMOUS
        if kind.lower() == "bearer" and self.issuer is not None:
            try:
                identity = self.issuer.verify(rest.strip())
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
        """Say how to come back: with a token, where we give some, else with a password."""
        challenge = f'Basic realm="{self._realm}"'
        if self.issuer is not None:
            url = self._locations.absolute(request, "/auth/token")
            parts = [f'realm="{url}"', f'service="{self.issuer.service}"']
            parts += [f'scope="{scope}"'] if scope else []
            parts += [f'error="{error}"'] if error else []
            challenge = f"Bearer {','.join(parts)}"
        return Unauthorized(detail=detail, headers={"WWW-Authenticate": challenge})

    def ask_for_password(self) -> Unauthorized:
        """Ask for another password, of who came with one: a browser can ask its user again."""
        return Unauthorized(headers={"WWW-Authenticate": f'Basic realm="{self._realm}"'})


def _detail(repository: str, actions: tuple[str, ...]) -> list[dict[str, str]]:
    return [
        {"Type": "repository", "Class": "", "Name": repository, "Action": action}
        for action in actions
    ]
