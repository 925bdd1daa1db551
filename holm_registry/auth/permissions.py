"""
The permissions of an identity: rules, scopes of robots, and grants of tokens.

Everything that is not allowed here is denied. Only :attr:`.Identity.is_anonymous` decides whether
an identity is anonymous: an anonymous client may have a token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import frozen

from .identity import Identity
from .robots import Robot, RobotAccounts
from .rules import Rules


@frozen
class Permissions:
    """
    :ivar rules: The rules of ``access``.
    :ivar robots: The robot accounts; None if robots cannot log in.
    :ivar has_logins: Whether any way to log in is configured.
    """

    rules: Rules
    robots: RobotAccounts | None = None
    has_logins: bool = True

    def allows(self, identity: Identity, repository: str, action: str) -> bool:
        """Return whether an identity may perform an action on a repository."""
        return self.rules_allow(identity, repository, action) and identity.is_granted(
            repository, action
        )

    def rules_allow(self, identity: Identity, repository: str, action: str) -> bool:
        """Return whether an identity may perform an action; ignore the grants of its token."""
        return self.rule_check(identity)(repository, action)

    def rule_check(self, identity: Identity) -> Callable[[str, str], bool]:
        """
        Return :meth:`rules_allow` as a function of repository and action, for many repositories.

        Looks a robot up only once (one ``stat`` of its file).
        """
        if self._is_token_enough(identity):
            return lambda _repository, _action: True
        if identity.robot is None:
            return partial(self.rules.allows, identity.name)
        robot = self.current_robot(identity)

        def by_robot(repository: str, action: str) -> bool:
            if robot is not None and robot.scope.allows(repository, action):
                return True
            return self.rules.allows("", repository, action)

        return by_robot

    def may_use_api(self, identity: Identity) -> bool:
        """
        Return whether an identity gets 200 for ``/v2/``, where clients try their login.

        If logins are configured, a client without a login is asked for one: Docker learns only here
        how to log in. An anonymous token is enough if anonymous clients may do something.
        """
        if not identity.is_anonymous:
            return True
        if self._is_token_enough(identity):
            return identity.can_list_catalog or any(
                identity.grants.values() if identity.grants else ()
            )
        if identity.grants is None and self.has_logins:
            return False
        return self.rules.allows_anything("")

    def may_list_catalog(self, identity: Identity) -> bool:
        """
        Return whether an identity may list the catalog: the repositories that it may pull from.

        Anonymous clients need a rule for it: clients send their login only when they are asked for
        it, and would take the shorter anonymous list for the complete one.
        """
        if not identity.is_granted_catalog:
            return False
        if self._is_token_enough(identity) or not identity.is_anonymous:
            return True
        return self.rules.allows_catalog("") or (
            not self.has_logins and self.rules.allows_anything("")
        )

    def current_robot(self, identity: Identity) -> Robot | None:
        """Return the robot account of an identity; None if it was revoked or created again."""
        robot = None if self.robots is None else self.robots.get(identity.name)
        return robot if robot is not None and robot.created == identity.robot else None

    def _is_token_enough(self, identity: Identity) -> bool:
        return (
            identity.is_external and identity.grants is not None and not self.rules.are_configured
        )
