"""
The service of a registry: its sites on their endpoints, and everything that runs beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import Logger

from holm_registry import __version__
from holm_registry.config.load import LoadedConfig
from holm_registry.config.model import Config
from holm_registry.http.tls import Tls, TlsInvalid, TlsSettings
from holm_registry.storage.permissions import why_unusable
from holm_registry.threads import PooledThreads

from .builder import Services, build
from .config_reload import ConfigReloader, ReloadableOptions
from .endpoints import endpoint_from_address, endpoint_from_description
from .errors import StartupError
from .lifecycle import Lifecycle
from .signals import SignalHandler
from .site_service import SiteService
from .sites import build_debug_site

_log = Logger()

#: How long requests in flight may take when the debug server stops, in seconds.
DEBUG_DRAIN_SECONDS = 2.0

_ROOT_KEY = ("storage", "filesystem", "rootdirectory")


def make_registry_service(
    options: ReloadableOptions,
    reactor: Any,
    *,
    listen: str | None,
    fail: Callable[[str], NoReturn],
) -> IService:
    """
    Make the service that a configuration describes.

    :param options: The configuration, and how to read it again.
    :param listen: The endpoint description of ``--listen``, which replaces ``http.addr``.
    :param fail: Ends the process with a message; called if an endpoint cannot listen.
    :raises StartupError: Something that the configuration names cannot be used.
    """
    loaded = options.loaded
    require_usable_root(loaded)
    services = build(loaded.config, reactor)
    sites = [_site_service(loaded, services, reactor, listen=listen, fail=fail)]
    pools = services.pools
    if loaded.config.http.debug.addr:
        debug_threads = PooledThreads(reactor, 1)
        sites.append(_debug_service(loaded, services, reactor, threads=debug_threads, fail=fail))
        pools = [*pools, debug_threads]
    reload = ConfigReloader(options, services.site, services.audit)
    return Lifecycle(sites, [*services.services, SignalHandler(reactor, reload)], pools)


def require_usable_root(loaded: LoadedConfig) -> None:
    """
    Check that the store can be used, before a listening port says that it is served.

    :raises StartupError: It cannot be used.
    """
    storage = loaded.config.storage
    if storage.filesystem is None:
        return
    root = storage.filesystem.rootdirectory
    is_writable = not storage.maintenance.readonly.enabled
    problem = why_unusable(root, writing=is_writable)
    if problem is None:
        return
    lines = [f"{'.'.join(_ROOT_KEY)}: {problem} (from {loaded.layers.source_of(_ROOT_KEY)})"]
    if is_writable and why_unusable(root, writing=False) is None:
        option = "storage.maintenance.readonly.enabled"
        lines.append(f"to serve what it holds, without pushes, set {option} to true")
    raise StartupError(*lines)


def _site_service(
    loaded: LoadedConfig,
    services: Services,
    reactor: Any,
    *,
    listen: str | None,
    fail: Callable[[str], NoReturn],
) -> IService:
    return SiteService(
        reactor,
        services.site,
        endpoint=_endpoint(loaded, listen, reactor),
        fail=lambda reason: fail(f"http.addr: {reason}"),
        drain_seconds=loaded.config.http.draintimeout,
        greeting=_greeting(loaded),
        tls=_build_tls(loaded.config),
        warnings=loaded.layers.warnings,
    )


def _debug_service(
    loaded: LoadedConfig,
    services: Services,
    reactor: Any,
    *,
    threads: PooledThreads,
    fail: Callable[[str], NoReturn],
) -> IService:
    config, key = loaded.config, ("http", "debug", "addr")
    try:
        endpoint = endpoint_from_address(reactor, config.http.debug.addr)
    except OSError as problem:
        source = loaded.layers.source_of(key)
        raise StartupError(f"http.debug.addr: {problem.strerror} (from {source})") from problem
    return SiteService(
        reactor,
        build_debug_site(config, reactor, threads, services.health, services.metrics),
        endpoint=endpoint,
        fail=lambda reason: fail(f"http.debug.addr: {reason}"),
        drain_seconds=DEBUG_DRAIN_SECONDS,
        greeting="Debug server",
    )


def _endpoint(loaded: LoadedConfig, listen: str | None, reactor: Any) -> IStreamServerEndpoint:
    http = loaded.config.http
    try:
        if listen is not None:
            return endpoint_from_description(reactor, listen)
        return endpoint_from_address(reactor, http.addr, http.net)
    except ValueError as problem:
        raise StartupError(f"option --listen: {problem}, got {listen!r}") from problem
    except OSError as problem:
        source = loaded.layers.source_of(("http", "addr"))
        raise StartupError(f"http.addr: {problem.strerror} (from {source})") from problem


def _build_tls(config: Config) -> Tls | None:
    tls = config.http.tls
    if not tls.certificate:
        return None
    settings = TlsSettings(
        tls.certificate,
        tls.key,
        tuple(tls.clientcas),
        tls.clientauth or "require-and-verify-client-cert",
        "tls1.3" if tls.minimumtls == "tls1.3" else "tls1.2",
        tuple(tls.ciphersuites),
    )
    try:
        return Tls(settings, lambda line: _log.info("{line}", line=line))
    except TlsInvalid as problem:
        raise StartupError(f"http.tls: {problem}") from problem


def _greeting(loaded: LoadedConfig) -> str:
    storage = loaded.config.storage
    place = "memory" if storage.filesystem is None else storage.filesystem.rootdirectory
    source = re.sub(r"^default$", "defaults", loaded.layers.source_of(()))
    return f"Holm Registry {__version__}, configuration from {source}, storage in {place}"
