from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

PULL, PUSH, DELETE = "pull", "push", "delete"

#: What may be done to a repository.
ACTIONS = (PULL, PUSH, DELETE)


@frozen
class Identity:
    """
    Whoever sent a request.

    :ivar name: Empty for nobody in particular.
    :ivar grants: What a token is limited to, actions by repository; None without a token.
    :ivar lists: Whether a token, if there is one, is good for lists of repositories.
    :ivar robot: When the robot that it is was made, by which it is told from a later one of its
        name; None for who is no robot.
    """

    name: str = ""
    grants: Mapping[str, frozenset[str]] | None = None
    lists: bool = True
    robot: float | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether they said who they are."""
        return not self.name

    def is_granted(self, repository: str, action: str) -> bool:
        """Tell whether their token, if they came with one, is for this."""
        return self.grants is None or action in self.grants.get(repository, frozenset())


ANONYMOUS = Identity()
