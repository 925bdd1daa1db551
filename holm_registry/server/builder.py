"""
The registry put together: store, threads, site, and what runs beside it.
"""

from __future__ import annotations

import re
import socket
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.application.service import IService
from twisted.logger import Logger

from holm_registry.api.app import ApiResource
from holm_registry.api.context import ApiContext
from holm_registry.api.event_emitter import EventEmitter, EventSink, FanOut
from holm_registry.api.locations import Locations
from holm_registry.config.addresses import parse_networks
from holm_registry.config.model import Config, ManifestValidationSection, TagLimitsSection
from holm_registry.config.storage import StorageLimitsSection, StorageSection
from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.health.checks import StorageCheck
from holm_registry.health.monitor import HealthMonitor
from holm_registry.health.schedule import scheduled_checks
from holm_registry.http.connection_limits import ConnectionTimeouts
from holm_registry.http.site import StreamingSite
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.logs.access_log import AccessLogWriter
from holm_registry.notifications.events import EventSource
from holm_registry.storage import layout
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import StorageError
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.storage.readonly import ReadOnlyDriver
from holm_registry.threads import PooledThreads

from .audit import AuditTrail, open_audit
from .auth import PASSWORD_THREADS, AccessInvalid, build_authorizer
from .debug import DebugRoutes
from .maintenance import MaintenanceScheduler, Task

if TYPE_CHECKING:
    from .metrics import RegistryMetrics
    from .notifications import Notifications

_log = Logger()

#: The most threads worth having: they wait for disks, or hash, and there are few of either.
MAX_THREADS = 16

#: Checks wait for what hangs; they must neither keep the store waiting nor one another.
HEALTH_THREADS = 2


#: The debug server has few clients, and takes its files from those that nothing else counts.
_DEBUG_CONNECTIONS = 16


@frozen
class Services:
    """
    A registry's parts, put together and not yet begun.

    :ivar pools: The threads that the site and the services work with.
    :ivar services: What runs beside the site.
    :ivar figures: What is shown of figures; None where nobody wants any.
    :ivar audit: What writes the audit log; None where nobody wants one.
    """

    site: StreamingSite
    pools: list[PooledThreads]
    health: HealthMonitor
    services: list[IService]
    figures: RegistryMetrics | None
    audit: AuditTrail | None


def build(config: Config, reactor: Any) -> Services:
    """Make the parts that serve a configuration, and care for its store."""
    figures = _build_metrics(config, reactor)
    driver = build_driver(config.storage)
    if figures is not None:
        driver = figures.metered(driver, _driver_name(config.storage))
    health = build_health(config, driver, reactor)
    upkeep = build_maintenance(config.storage, reactor)
    threads = build_threads(config.storage, reactor)
    notifications = build_notifications(config, reactor, threads)
    passwords = PooledThreads(reactor, PASSWORD_THREADS)
    audit = build_audit(config, threads)
    quotas = build_quotas(config.storage)
    context = build_context(
        config,
        driver,
        quotas=quotas,
        threads=threads,
        health=health,
        notifications=notifications,
        passwords=passwords,
        audit=audit,
    )
    services: list[IService] = [upkeep, health]
    if quotas.limits:
        from .quota_usage import UsageCounter  # noqa: PLC0415 - memory, for those who want none

        census = UsageCounter(reactor, driver, quotas)
        upkeep.changed = census.count
        services.append(census)
    if notifications is not None:
        services.append(notifications.sink)
    if figures is not None:
        figures.show_traffic()
        figures.show_memory(context.memory)
        figures.show_threads(threads)
        figures.show_logs()
        figures.show_store(driver)
        figures.show_upkeep(upkeep)
        figures.show_quotas(quotas)
        if notifications is not None:
            figures.show_notifications(notifications.sink, notifications.senders)
        services.append(figures.delay)
    site = build_site(config, reactor, context, figures)
    if figures is not None:
        figures.show_connections(site.connections, site.throttle)
    return Services(site, [threads, passwords], health, services, figures, audit)


def build_threads(storage: StorageSection, reactor: Any) -> PooledThreads:
    """Make the threads that read and write a store."""
    wanted = storage.filesystem.maxthreads if storage.filesystem is not None else MAX_THREADS
    count = min(wanted, MAX_THREADS)
    # One in four is kept for kinds of requests of which none is running.
    return PooledThreads(reactor, count, count // 4)


def build_notifications(
    config: Config, reactor: Any, threads: PooledThreads
) -> Notifications | None:
    """Make what tells others; None where nobody wants to hear."""
    if all(endpoint.disabled for endpoint in config.notifications.endpoints):
        return None
    from .notifications import Notifications  # noqa: PLC0415 - memory, for those who want none

    return Notifications(config, reactor, threads)


def build_context(  # noqa: PLR0913 - keyword-only
    config: Config,
    driver: Driver,
    *,
    quotas: Quotas,
    threads: PooledThreads,
    health: HealthMonitor,
    notifications: Notifications | None,
    passwords: PooledThreads,
    audit: AuditTrail | None,
) -> ApiContext:
    """Make what every route works with."""
    http = config.http
    locations = Locations.configured(http.host, http.prefix, relative=http.relativeurls)
    publishers: list[EventSink] = [] if notifications is None else [notifications.sink]
    if audit is not None:
        publishers.append(audit)
    return ApiContext(
        Registry(
            driver,
            build_validation(config.validation, config.tags),
            build_content_limits(config.storage.limits),
            quotas,
            lambda line: _log.warn("{line}", line=line),
        ),
        threads,
        locations=locations,
        announcer=build_event_emitter(config, locations, publishers),
        guard=build_authorizer(config, passwords, locations, audit, driver.require),
        troubles=lambda: [
            f"{each.check.kind}: {each.reason}" for each in health.failing() if not each.is_degraded
        ],
        deletes=config.storage.delete.enabled,
        read_only=config.storage.maintenance.readonly.enabled,
        max_manifest_bytes=config.storage.limits.manifest,
        max_catalog=config.catalog.maxentries,
        max_tags=config.tags.maxtags,
    )


def build_event_emitter(
    config: Config, locations: Locations, publishers: list[EventSink]
) -> EventEmitter:
    """Make what tells of requests."""
    if not publishers:
        return EventEmitter()
    source = EventSource(socket.gethostname(), str(uuid.uuid4()))
    references = config.notifications.events.includereferences
    return EventEmitter(FanOut(tuple(publishers)), locations, source, references)


def build_audit(config: Config, threads: PooledThreads) -> AuditTrail | None:
    """
    Make what writes the audit log.

    :raises AccessInvalid: Its file cannot be written to.
    """
    audit = config.log.audit
    if not audit.path:
        return None
    try:
        return open_audit(audit.path, threads, pulls=audit.pulls)
    except OSError as problem:
        raise AccessInvalid(f"log.audit.path: {audit.path}: {problem.strerror}") from problem


def build_site(
    config: Config, reactor: Any, context: ApiContext, figures: RegistryMetrics | None
) -> StreamingSite:
    """Make the site that serves a configuration."""
    resource = ApiResource(context, config.http.headers, config.http.prefix or "/")
    watcher = None if figures is None else figures.watcher
    wanted = config.http.limits
    limits = ConnectionTimeouts(
        wanted.headers,
        wanted.body,
        wanted.connections,
        wanted.connectionsperaddress,
        wanted.uploadsperaddress,
        wanted.requestspersecond,
        wanted.idle,
    ).fitted(tls=bool(config.http.tls.certificate))
    return StreamingSite(
        resource,
        reactor,
        write_log=access_log(config),
        watcher=watcher,
        limits=limits,
        proxies=build_proxies(config.http.proxies),
    )


def build_proxies(names: Sequence[str]) -> TrustedProxies:
    """Make what knows whose word on who sent a request is believed."""
    networks, local = parse_networks(names)
    return TrustedProxies(networks, local=local)


def access_log(config: Config) -> Callable[[str], object] | None:
    """Make what writes the access log; None where there is to be none."""
    # Standard output is twistd's to redirect; what it was at the start is where the log belongs.
    if config.log.accesslog.disabled or sys.__stdout__ is None:
        return None
    return AccessLogWriter(sys.__stdout__).write


def build_debug(
    config: Config, parts: Services, reactor: Any
) -> tuple[StreamingSite, PooledThreads]:
    """Make the site of the debug server, and the thread it works with."""
    threads = PooledThreads(reactor, 1)
    path = config.http.debug.prometheus.path
    routes = DebugRoutes(parts.health, threads, parts.figures, path)
    limits = ConnectionTimeouts(
        connections=_DEBUG_CONNECTIONS, connections_per_address=_DEBUG_CONNECTIONS
    )
    return StreamingSite(routes.resource(), reactor, limits=limits), threads


def build_health(config: Config, driver: Driver, reactor: Any) -> HealthMonitor:
    """Make what looks whether all is well."""
    read_only = config.storage.maintenance.readonly.enabled
    threads = PooledThreads(reactor, HEALTH_THREADS)
    storage = StorageCheck(driver, threads, _driver_name(config.storage), read_only=read_only)
    checks = list(scheduled_checks(config.health, storage, reactor, threads))
    return HealthMonitor(reactor, checks, threads)


def build_maintenance(storage: StorageSection, reactor: Any) -> MaintenanceScheduler:
    """Make what cares for the store of a configuration, on its schedule."""
    maintenance = storage.maintenance
    if storage.filesystem is None or maintenance.readonly.enabled:
        return MaintenanceScheduler(reactor, [])
    root = storage.filesystem.rootdirectory.rstrip("/")
    collect, purging = maintenance.collect, maintenance.uploadpurging
    tasks = []
    if collect.enabled:
        plan = {
            "grace_seconds": float(collect.grace),
            "untagged": collect.untagged,
            "upload_age_seconds": None,
        }
        tasks.append(Task("collect", collect.interval, root, plan, _last(root, "collect")))
    if purging.enabled:
        plan = {"upload_age_seconds": float(purging.age), "dry_run": purging.dryrun}
        tasks.append(Task("purge", purging.interval, root, plan, _last(root, "purge")))
    return MaintenanceScheduler(reactor, tasks)


def build_driver(storage: StorageSection) -> Driver:
    """Make the store of a configuration."""
    if storage.filesystem is None:
        return MemoryDriver()
    files = FilesystemDriver(storage.filesystem.rootdirectory.rstrip("/"))
    if storage.maintenance.readonly.enabled:
        return ReadOnlyDriver(files)
    files.mark()
    return files


def build_quotas(storage: StorageSection) -> Quotas:
    """Make what knows how much repositories may hold; a prefix may be written as a pattern."""
    return Quotas({prefix.removesuffix("*"): size for prefix, size in storage.quota.items()})


def build_content_limits(limits: StorageLimitsSection) -> ContentLimits:
    """Make what knows how large things may be."""
    return ContentLimits(limits.blob, limits.layers, limits.uploads, limits.free)


def build_validation(
    validation: ManifestValidationSection, tags: TagLimitsSection | None = None
) -> Validation:
    """Make the rules for manifests, and their tags, of a configuration."""
    urls, indexes = validation.manifests.urls, validation.manifests.indexes
    return Validation(
        disabled=validation.disabled,
        allow=tuple(map(re.compile, urls.allow)),
        deny=tuple(map(re.compile, urls.deny)),
        platforms=indexes.platforms,
        platform_list=frozenset((each.architecture, each.os) for each in indexes.platformlist),
        immutable=() if tags is None else tuple(tags.immutable),
    )


def _build_metrics(config: Config, reactor: Any) -> RegistryMetrics | None:
    debug = config.http.debug
    if not (debug.addr and debug.prometheus.enabled):
        return None
    from .metrics import RegistryMetrics  # noqa: PLC0415 - memory, for those who want none

    return RegistryMetrics(reactor)


def _last(root: str, task: str) -> float:
    """Tell when a task was last done on a store, by whichever server."""
    try:
        return FilesystemDriver(root).stat(layout.result(task)).modified
    except StorageError:
        # Never, or nobody can tell: it is due.
        return 0.0


def _driver_name(storage: StorageSection) -> str:
    return "inmemory" if storage.filesystem is None else "filesystem"
