"""
Logins and rules put together: who is asked for what.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from .api.guard import Guard, LoginGuard, OpenGuard, Refusals
from .api.locations import Locations
from .auth.htpasswd import Htpasswd, HtpasswdInvalid
from .auth.rules import Pattern, Rule, Rules
from .auth.tokens import Issuer, read_key
from .config.model import Config
from .storage import layout
from .threads import PooledThreads

#: Checking a password keeps a core busy: guessing may have two of them at the most.
PASSWORD_THREADS = 2

_log = Logger()


class AccessInvalid(Exception):
    """Something that logins need cannot be used; the text says what, and why."""


class PasswordThreads(Service):
    """Threads that check passwords, while the registry serves."""

    def __init__(self, reactor: Any) -> None:
        self.threads = PooledThreads(reactor, PASSWORD_THREADS)

    def startService(self) -> None:
        """Take work."""
        super().startService()
        self.threads.start()

    def stopService(self) -> None:
        """Take no more."""
        super().stopService()
        self.threads.stop()


def build_rules(config: Config) -> Rules:
    """Make the rules of a configuration."""
    groups = {name: frozenset(users) for name, users in config.access_groups.items()}
    if config.access is None:
        return Rules(None, groups)
    return Rules(
        [
            Rule(
                frozenset(each.subjects),
                tuple(Pattern(text) for text in each.repositories),
                frozenset(each.actions),
            )
            for each in config.access
        ],
        groups,
    )


def build_guard(
    config: Config,
    passwords: PasswordThreads,
    locations: Locations,
    audit: Refusals | None = None,
) -> Guard:
    """
    Make what tells who may do what.

    :raises AccessInvalid: The file of users, or the key of tokens, cannot be used.
    """
    auth = config.auth
    if auth.htpasswd is None and config.access is None:
        return OpenGuard()
    return LoginGuard(
        rules=build_rules(config),
        users=_build_users(config),
        issuer=_build_issuer(config),
        realm=(auth.htpasswd.realm if auth.htpasswd else "") or "Registry",
        threads=passwords.threads,
        locations=locations,
        audit=audit,
    )


def _build_users(config: Config) -> Htpasswd | None:
    htpasswd = config.auth.htpasswd
    if htpasswd is None:
        return None
    try:
        return Htpasswd(htpasswd.path, lambda line: _log.error("{line}", line=line))
    except OSError as problem:
        raise AccessInvalid(
            f"auth.htpasswd.path: {htpasswd.path}: {problem.strerror}; "
            "registry htpasswd add FILE NAME makes one"
        ) from problem
    except HtpasswdInvalid as problem:
        raise AccessInvalid(f"auth.htpasswd.path: {htpasswd.path}: {problem}") from problem


def _build_issuer(config: Config) -> Issuer | None:
    issuer, storage = config.auth.issuer, config.storage
    if issuer is None:
        return None
    if storage.filesystem is None or storage.maintenance.readonly.enabled:
        return Issuer(os.urandom(32), issuer.service, issuer.expiration)
    root = storage.filesystem.rootdirectory.rstrip("/")
    path = f"{root}/{layout.MAINTENANCE}/tokens.key"
    try:
        return Issuer(read_key(path), issuer.service, issuer.expiration)
    except OSError as problem:
        raise AccessInvalid(f"auth.issuer: {path}: {problem.strerror}") from problem
