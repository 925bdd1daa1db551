from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

PULL, PUSH, DELETE = "pull", "push", "delete"

#: The actions on a repository.
ACTIONS = (PULL, PUSH, DELETE)

#: The :attr:`Identity.login` of a client with a TLS certificate.
CERTIFICATE = "certificate"


@frozen
class Identity:
    """
    The authenticated sender of a request.

    :ivar name: The user's or robot's name; empty for an anonymous client, with or without a token.
    :ivar grants: The actions that the token is valid for, by repository; None without a token.
    :ivar can_list_catalog: Whether the token, if there is one, is valid for the catalog.
    :ivar robot: The creation time of the robot, which distinguishes it from a later robot of the
        same name; None for an identity that is not a robot.
    :ivar is_external: Whether it comes from a token of another issuer (``auth.token``). Without
        rules, the grants of such a token decide alone.
    :ivar login: The fingerprint of the password's hash, or :data:`CERTIFICATE`. Tokens contain it,
        and are valid only as long as the login is.
    """

    name: str = ""
    grants: Mapping[str, frozenset[str]] | None = None
    can_list_catalog: bool = False
    robot: float | None = None
    is_external: bool = False
    login: str = field(default="", repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether it has no name; a token does not imply a name."""
        return not self.name

    def is_granted(self, repository: str, action: str) -> bool:
        """Return whether its token, if it has one, is valid for an action."""
        return self.grants is None or action in self.grants.get(repository, frozenset())

    @property
    def is_granted_catalog(self) -> bool:
        """Whether its token, if it has one, is valid for the catalog."""
        return self.grants is None or self.can_list_catalog


ANONYMOUS = Identity()
