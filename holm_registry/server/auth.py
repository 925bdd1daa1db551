"""
Logins and rules put together: who is asked for what.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from twisted.logger import Logger

from holm_registry.api.authorizer import AllowAll, Authorizer, DenialObserver, RuleAuthorizer
from holm_registry.api.bearer_scheme import BearerScheme
from holm_registry.api.locations import Locations
from holm_registry.auth.htpasswd import HtpasswdFile, HtpasswdInvalid
from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.rules import RepositoryPattern, Rule, Rules
from holm_registry.auth.tokens import TokenIssuer, load_or_create_key
from holm_registry.config.model import SIGNING_ALGORITHMS, Config, HtpasswdSection, TokenSection
from holm_registry.http.request import StreamedRequest
from holm_registry.storage import layout
from holm_registry.storage.directory_removal import NO_SPACE
from holm_registry.threads import Threads

#: Checking a password keeps a core busy: guessing may have two of them at the most.
PASSWORD_THREADS = 2

_log = Logger()


class AccessInvalid(Exception):
    """Something that logins need cannot be used; the text says what, and why."""


def build_rules(config: Config) -> Rules:
    """Make the rules of a configuration."""
    groups = {name: frozenset(users) for name, users in config.access_groups.items()}
    if config.access is None:
        return Rules(None, groups)
    return Rules(
        [
            Rule(
                frozenset(each.subjects),
                tuple(RepositoryPattern(text) for text in each.repositories),
                frozenset(each.actions),
                each.catalog,
            )
            for each in config.access
        ],
        groups,
    )


def build_authorizer(
    config: Config,
    passwords: Threads,
    locations: Locations,
    audit: DenialObserver | None = None,
    require_volume: Callable[[], object] = lambda: None,
) -> Authorizer:
    """
    Make what tells who may do what.

    :param require_volume: Raises an exception while the volume is not mounted.
    :raises AccessInvalid: The file of users, or a key of tokens, cannot be used.
    """
    if not asks_for_logins(config):
        return AllowAll()
    htpasswd = config.auth.htpasswd
    return RuleAuthorizer(
        rules=build_rules(config),
        users=None if htpasswd is None else _build_users(htpasswd),
        robots=build_robots(config, require_volume),
        bearer=_build_bearer(config, locations),
        realm=(htpasswd.realm if htpasswd else "") or "Registry",
        threads=passwords,
        audit=audit,
    )


def asks_for_logins(config: Config) -> bool:
    """Tell whether there are any logins or rules."""
    auth = config.auth
    return (auth.htpasswd, auth.token, auth.robots, config.access) != (None, None, None, None)


def build_robots(
    config: Config, require_volume: Callable[[], object] = lambda: None
) -> RobotAccounts | None:
    """Make what knows the robots of a volume; None where there is none, or none may log in."""
    filesystem = config.storage.filesystem
    if filesystem is None or (config.auth.htpasswd is None and config.auth.robots is None):
        return None
    folder = f"{filesystem.rootdirectory.rstrip('/')}/{layout.ROBOTS}"

    def complain(line: str) -> None:
        _log.error("{line}", line=line)

    return RobotAccounts(folder, complain, require_volume=require_volume)


def _build_issuer(config: Config) -> TokenIssuer | None:
    """
    Make what gives out tokens; None where nothing does.

    :raises AccessInvalid: Its key cannot be used.
    """
    issuer, storage = config.auth.issuer, config.storage
    if issuer is None:
        return None
    if storage.filesystem is None or storage.maintenance.readonly.enabled:
        return TokenIssuer(os.urandom(32), issuer.service, issuer.expiration)
    root = storage.filesystem.rootdirectory.rstrip("/")
    path = f"{root}/{layout.MAINTENANCE}/tokens.key"
    try:
        return TokenIssuer(load_or_create_key(path), issuer.service, issuer.expiration)
    except OSError as problem:
        if problem.errno not in NO_SPACE:
            raise AccessInvalid(f"auth.issuer: {path}: {problem.strerror}") from problem
        _log.warn(
            "auth.issuer: {path}: {reason}: tokens are valid in this process only",
            path=path,
            reason=problem.strerror,
        )
        return TokenIssuer(os.urandom(32), issuer.service, issuer.expiration)


def _build_users(htpasswd: HtpasswdSection) -> HtpasswdFile:
    try:
        return HtpasswdFile(htpasswd.path, lambda line: _log.error("{line}", line=line))
    except OSError as problem:
        raise AccessInvalid(
            f"auth.htpasswd.path: {htpasswd.path}: {problem.strerror}; "
            "registry htpasswd add FILE NAME makes one"
        ) from problem
    except HtpasswdInvalid as problem:
        raise AccessInvalid(f"auth.htpasswd.path: {htpasswd.path}: {problem}") from problem


def _build_bearer(config: Config, locations: Locations) -> BearerScheme | None:
    if config.auth.token is not None:
        return _read_trust(config.auth.token, locations)
    issuer = _build_issuer(config)
    if issuer is None:
        return None

    def realm(request: StreamedRequest) -> str:
        return locations.absolute(request, "/auth/token")

    return BearerScheme(issuer.verify, issuer.service, realm, issuer)


def _read_trust(token: TokenSection, locations: Locations) -> BearerScheme:
    # It loads a good deal, for those who have another issuer.
    from holm_registry.auth.external_tokens import (  # noqa: PLC0415
        ExternalTokenSettings,
        ExternalTokenVerifier,
        KeysInvalid,
    )

    settings = ExternalTokenSettings(
        token.service,
        token.issuer,
        token.rootcertbundle,
        token.jwks,
        tuple(token.signingalgorithms) or SIGNING_ALGORITHMS,
    )
    try:
        trust = ExternalTokenVerifier(settings, lambda line: _log.error("{line}", line=line))
    except KeysInvalid as problem:
        raise AccessInvalid(f"auth.token: {problem}") from problem

    def realm(request: StreamedRequest) -> str:
        if not token.autoredirect:
            return token.realm
        return f"{locations.origin(request)}{token.autoredirectpath}"

    return BearerScheme(trust.verify, token.service, realm)
