"""
What an identity may do: rules, robots' scopes and the limits of tokens together.

Everything that is not allowed here is denied. Only :attr:`.Identity.is_anonymous` tells whether an
identity is anonymous: a token does not make a user of its bearer.
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
    :ivar robots: The robots of the volume; None where robots cannot log in.
    :ivar has_logins: Whether clients can log in at all, so that one without a login can be asked
        for it.
    """

    rules: Rules
    robots: RobotAccounts | None = None
    has_logins: bool = True

    def allows(self, identity: Identity, repository: str, action: str) -> bool:
        """Return whether an identity may do something to a repository."""
        return self.permits(identity, repository, action) and identity.is_granted(
            repository, action
        )

    def permits(self, identity: Identity, repository: str, action: str) -> bool:
        """Return whether an identity may do something, whatever its token is limited to."""
        return self.permitted(identity)(repository, action)

    def permitted(self, identity: Identity) -> Callable[[str, str], bool]:
        """
        Return what tells the same of repositories and actions, for as many as are to be looked at.

        Whether a robot is still there is looked up once: that is a look at its file.
        """
        if self._is_token_enough(identity):
            return lambda _repository, _action: True
        if identity.robot is None:
            return partial(self.rules.allows, identity.name)
        robot = self.robot_of(identity)

        def by_robot(repository: str, action: str) -> bool:
            if robot is not None and robot.scope.allows(repository, action):
                return True
            return self.rules.allows("", repository, action)

        return by_robot

    def may_enter(self, identity: Identity) -> bool:
        """
        Return whether an identity gets 200 for ``/v2/``, where clients try their login.

        A client without a login is asked for one where there are any: Docker learns only here how
        to log in. An anonymous token is enough if anonymous clients may do something.
        """
        if not identity.is_anonymous:
            return True
        if self._is_token_enough(identity):
            return identity.lists or any(identity.grants.values() if identity.grants else ())
        if identity.grants is None and self.has_logins:
            return False
        return self.rules.opens_anything("")

    def may_list(self, identity: Identity) -> bool:
        """
        Return whether an identity may list the catalog, of which it sees what it may pull from.

        Anonymous clients need a rule that says so: clients that have a login send it only when
        they are asked for it, and would take a shorter list for the whole one.
        """
        if not identity.is_granted_catalog:
            return False
        if self._is_token_enough(identity) or not identity.is_anonymous:
            return True
        return self.rules.lists("") or (not self.has_logins and self.rules.opens_anything(""))

    def robot_of(self, identity: Identity) -> Robot | None:
        """Return the robot that an identity is; None if it was revoked, or is another one now."""
        robot = None if self.robots is None else self.robots.get(identity.name)
        return robot if robot is not None and robot.created == identity.robot else None

    def _is_token_enough(self, identity: Identity) -> bool:
        return identity.is_external and identity.grants is not None and not self.rules.are_given
