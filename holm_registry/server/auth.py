"""
Put authentication and authorization together: users, robot accounts, tokens and access rules.
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
from holm_registry.config.model import (
    SIGNING_ALGORITHMS,
    AuthSection,
    Config,
    HtpasswdSection,
    TokenSection,
)
from holm_registry.http.request import StreamedRequest
from holm_registry.storage import layout
from holm_registry.storage.directory_removal import NO_SPACE
from holm_registry.threads import Threads

from .errors import StartupError

#: Checking a password uses a whole core: attackers who guess passwords get two of them at most.
PASSWORD_THREADS = 2

_log = Logger()


def build_rules(config: Config) -> Rules:
    """Make the access rules."""
    groups = {name: frozenset(users) for name, users in config.access_groups.items()}
    if config.access is None:
        return Rules(None, groups)
    return Rules(
        [
            Rule(
                frozenset(rule.subjects),
                tuple(RepositoryPattern(text) for text in rule.repositories),
                frozenset(rule.actions),
                rule.catalog,
            )
            for rule in config.access
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
    Make the authorizer of all requests.

    :param require_volume: Raises an exception while the volume is not mounted.
    :raises StartupError: The htpasswd file, or a key for tokens, cannot be used.
    """
    if not is_auth_enabled(config):
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


def is_auth_enabled(config: Config) -> bool:
    """Whether requests are checked: any section of ``auth`` but ``none``, or access rules."""
    # Compared with the defaults, so that a new section of ``auth`` counts without being named here.
    return config.auth != AuthSection(none=config.auth.none) or config.access is not None


def build_robots(
    config: Config, require_volume: Callable[[], object] = lambda: None
) -> RobotAccounts | None:
    """Make the robot accounts of the volume; None without a volume, or if they cannot log in."""
    filesystem = config.storage.filesystem
    if filesystem is None or (config.auth.htpasswd is None and config.auth.robots is None):
        return None
    folder = f"{filesystem.rootdirectory.rstrip('/')}/{layout.ROBOTS}"

    def complain(line: str) -> None:
        _log.error("{line}", line=line)

    return RobotAccounts(folder, complain, require_volume=require_volume)


def _build_issuer(config: Config) -> TokenIssuer | None:
    """
    Make the issuer of tokens; None if the registry issues none.

    :raises StartupError: Its key cannot be used.
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
            raise StartupError(f"auth.issuer: {path}: {problem.strerror}") from problem
        _log.warn(
            "auth.issuer: {path}: {reason}: tokens are only valid until this process ends",
            path=path,
            reason=problem.strerror,
        )
        return TokenIssuer(os.urandom(32), issuer.service, issuer.expiration)


def _build_users(htpasswd: HtpasswdSection) -> HtpasswdFile:
    try:
        return HtpasswdFile(htpasswd.path, lambda line: _log.error("{line}", line=line))
    except OSError as problem:
        raise StartupError(
            f"auth.htpasswd.path: {htpasswd.path}: {problem.strerror}; "
            "registry htpasswd add FILE NAME makes one"
        ) from problem
    except HtpasswdInvalid as problem:
        raise StartupError(f"auth.htpasswd.path: {htpasswd.path}: {problem}") from problem


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
    from holm_registry.auth.external_tokens import (  # noqa: PLC0415 - memory
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
        raise StartupError(f"auth.token: {problem}") from problem

    def realm(request: StreamedRequest) -> str:
        if not token.autoredirect:
            return token.realm
        return f"{locations.origin(request)}{token.autoredirectpath}"

    return BearerScheme(trust.verify, token.service, realm)
