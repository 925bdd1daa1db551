"""
Authentication: who sent a request.

:see: RFC 9110, 11; RFC 7617; RFC 6750; distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import base64
from functools import partial

from holm_registry.auth.credential_cache import CredentialCache
from holm_registry.auth.htpasswd import HtpasswdFile
from holm_registry.auth.identity import ANONYMOUS, CERTIFICATE, Identity
from holm_registry.auth.permissions import Permissions
from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.tokens import TokenInvalid
from holm_registry.http.request import StreamedRequest
from holm_registry.threads import Threads

from .bearer_scheme import BearerScheme
from .password_queue import PasswordQueue


class InvalidCredentials(Exception):
    """
    A login that is wrong, or cannot be read.

    :ivar was_password: Whether it was a name and a password, so that another may be asked for.
    """

    def __init__(self, *, was_password: bool) -> None:
        super().__init__()
        self.was_password = was_password


class Authenticator:
    """
    Reads the login of a request.

    :param users: The users with passwords; None for none.
    :param robots: The robots with keys; None for none.
    :param bearer: The tokens that are accepted; None for none.
    :param threads: Threads for nothing but passwords.
    """

    def __init__(
        self,
        permissions: Permissions,
        users: HtpasswdFile | None,
        robots: RobotAccounts | None,
        bearer: BearerScheme | None,
        threads: Threads,
    ) -> None:
        self._permissions = permissions
        self._users = users
        self._robots = robots
        self._bearer = bearer
        self._threads = threads
        self._queue = PasswordQueue(threads)
        self._remembered = CredentialCache()

    async def identify(self, request: StreamedRequest) -> Identity:
        """
        Return who sent a request.

        :raises InvalidCredentials: It has a login that is wrong.
        :raises TooManyRequests: Too many passwords wait to be checked.
        """
        identity = await self._identify(request)
        request.actor = identity.name
        return identity

    async def _identify(self, request: StreamedRequest) -> Identity:
        scheme, _, credentials = (request.header("Authorization") or "").strip().partition(" ")
        if scheme.lower() == "bearer" and self._bearer is not None:
            return await self._verified(request, self._bearer, credentials.strip())
        if scheme.lower() == "basic":
            name, password = _basic(credentials.strip())
            if name or password:
                return await self.log_in(request, name, password)
            # Clients without a login send an empty one when they were asked for a login.
        elif scheme:
            raise InvalidCredentials(was_password=False)
        if request.client_name:
            return Identity(request.client_name, login=CERTIFICATE)
        return ANONYMOUS

    async def log_in(self, request: StreamedRequest, name: bytes, password: bytes) -> Identity:
        """
        Return the user or robot that a name and a password belong to.

        :raises InvalidCredentials: They belong to none.
        :raises TooManyRequests: Too many passwords wait to be checked.
        """
        user = name.decode("utf-8", "replace")
        robot = None if self._robots is None else self._robots.get(user)
        if robot is not None and robot.has_key(password):
            return Identity(user, robot=robot.created)
        login = ""
        if self._users is not None:
            login = await self._checked(request, self._users, user, password)
        if not login:
            raise InvalidCredentials(was_password=True)
        return Identity(user, login=login)

    async def _checked(
        self, request: StreamedRequest, users: HtpasswdFile, name: str, password: bytes
    ) -> str:
        """Return the fingerprint of a login; empty if it is wrong."""
        # A user who was just removed is not known any more, nor one with a new password.
        version = users.current_version()
        known = self._remembered.get(version, name, password)
        if known:
            return known
        check = partial(users.check, name, password)
        login: str = await self._queue.run(request.client_network, check)
        if login:
            # By the version from before: if the file has changed meanwhile, it is checked again.
            self._remembered.add(version, name, password, login)
        return login

    async def _verified(
        self, request: StreamedRequest, bearer: BearerScheme, text: str
    ) -> Identity:
        """Return the identity of a token, if the login that it was issued for still holds."""
        try:
            identity = bearer.verify(text)
        except TokenInvalid:
            raise InvalidCredentials(was_password=False) from None
        if bearer.issuer is not None and not await self._holds(request, identity):
            raise InvalidCredentials(was_password=False)
        return identity

    async def _holds(self, request: StreamedRequest, identity: Identity) -> bool:
        """Return whether the login behind a token of our own is still valid."""
        if identity.is_anonymous:
            return True
        if identity.robot is not None:
            return self._permissions.current_robot(identity) is not None
        if identity.login == CERTIFICATE:
            # The certificate is presented with each connection, and may have expired since.
            return bool(request.client_name == identity.name)
        if self._users is None:
            return False
        if self._users.current_version() != self._users.version:
            await self._threads.run(self._users.reload_if_changed)
        return bool(identity.login) and self._users.fingerprint(identity.name) == identity.login


def _basic(credentials: str) -> tuple[bytes, bytes]:
    """
    Read the name and password of ``Basic``.

    :raises InvalidCredentials: There are none.
    """
    try:
        # Bytes, since b64decode has another error for text that is not ASCII.
        login = base64.b64decode(credentials.encode(), validate=True)
    except ValueError:
        raise InvalidCredentials(was_password=True) from None
    name, colon, password = login.partition(b":")
    if not colon:
        raise InvalidCredentials(was_password=True)
    return name, password
