from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

PULL, PUSH, DELETE = "pull", "push", "delete"

#: What may be done to a repository.
ACTIONS = (PULL, PUSH, DELETE)

#: The login of an identity that comes from a client's certificate.
CERTIFICATE = "certificate"


@frozen
class Identity:
    """
    The sender of a request, as far as the request proves it.

    :ivar name: The user's or robot's name; empty for an anonymous client, with or without a token.
    :ivar grants: What a token is limited to, actions by repository; None without a token.
    :ivar lists: Whether a token, if there is one, is valid for the catalog.
    :ivar robot: The time at which the robot was created, which tells it from a later robot of the
        same name; None for an identity that is no robot.
    :ivar is_external: Whether it comes from a token of another issuer (``auth.token``), whose
        grants decide alone where no rules are configured.
    :ivar login: The login behind it: the fingerprint of the password's hash, or
        :data:`CERTIFICATE`. A token keeps it, and is valid as long as that login is.
    """

    name: str = ""
    grants: Mapping[str, frozenset[str]] | None = None
    lists: bool = False
    robot: float | None = None
    is_external: bool = False
    login: str = field(default="", repr=False)

    @property
    def is_anonymous(self) -> bool:
        """Whether it has no name; a token alone gives none."""
        return not self.name

    def is_granted(self, repository: str, action: str) -> bool:
        """Return whether its token, if it has one, is valid for this."""
        return self.grants is None or action in self.grants.get(repository, frozenset())

    @property
    def is_granted_catalog(self) -> bool:
        """Whether its token, if it has one, is valid for the catalog."""
        return self.grants is None or self.lists


ANONYMOUS = Identity()
