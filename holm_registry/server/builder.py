"""
Put the parts of a registry together: driver, threads, services and site. Nothing is started here.
"""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.application.service import IService

from holm_registry.api.context import ApiContext
from holm_registry.api.event_emitter import EventEmitter, EventSink, FanOut
from holm_registry.api.locations import Locations
from holm_registry.config.model import Config
from holm_registry.config.storage import StorageSection
from holm_registry.content.quotas import Quotas
from holm_registry.health.monitor import HealthMonitor
from holm_registry.http.site import StreamingSite
from holm_registry.notifications.events import EventSource
from holm_registry.storage.local_driver import LocalDriver
from holm_registry.threads import PooledThreads

from .audit import AuditTrail, build_audit
from .auth import PASSWORD_THREADS, build_authorizer
from .content import build_driver, build_quotas, build_registry, driver_name
from .health import build_health
from .maintenance import MaintenanceScheduler
from .maintenance_tasks import maintenance_tasks
from .quota_usage import UsageCounter
from .sites import build_site

if TYPE_CHECKING:
    from .metrics import RegistryMetrics
    from .notifications import Notifications

#: Threads wait for disks, or compute digests: more of them would not be faster.
MAX_THREADS = 16


@frozen
class Services:
    """
    The parts of a registry, not yet started.

    :ivar pools: The thread pools of the site and the services.
    :ivar services: What runs beside the site.
    :ivar metrics: None where metrics are disabled.
    :ivar audit: None where there is no audit log.
    """

    site: StreamingSite
    pools: list[PooledThreads]
    health: HealthMonitor
    services: list[IService]
    metrics: RegistryMetrics | None
    audit: AuditTrail | None


def build(config: Config, reactor: Any) -> Services:
    """
    Make the parts of the registry that a configuration describes.

    :raises StartupError: A file that the configuration names cannot be used.
    """
    metrics = _build_metrics(config, reactor)
    driver = build_driver(config.storage)
    if metrics is not None:
        driver = metrics.timed_driver(driver, driver_name(config.storage))
    threads = build_threads(config.storage, reactor)
    passwords = PooledThreads(reactor, PASSWORD_THREADS)
    health = build_health(config, driver, reactor)
    scheduler = MaintenanceScheduler(reactor, maintenance_tasks(config.storage))
    notifications = _build_notifications(config, reactor, threads)
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
    site = build_site(config, reactor, context, None if metrics is None else metrics.requests)
    services: list[IService] = [scheduler, health]
    if quotas.limits:
        services.append(_build_usage_counter(reactor, driver, quotas, scheduler))
    if notifications is not None:
        services.append(notifications.sink)
    if metrics is not None:
        _register_metrics(metrics, context, driver, quotas, scheduler)
        metrics.register_threads(threads)
        metrics.register_connections(site.connections, site.rate_limiter)
        if notifications is not None:
            metrics.register_notifications(notifications.sink, notifications.senders)
        services.append(metrics.reactor_latency)
    return Services(site, [threads, passwords], health, services, metrics, audit)


def build_threads(storage: StorageSection, reactor: Any) -> PooledThreads:
    """Make the threads that read and write the storage."""
    filesystem = storage.filesystem
    limit = MAX_THREADS if filesystem is None else filesystem.maxthreads
    count = min(limit, MAX_THREADS)
    # A quarter is reserved for kinds of requests of which none is running.
    return PooledThreads(reactor, count, count // 4)


def build_context(  # noqa: PLR0913 - keyword-only
    config: Config,
    driver: LocalDriver,
    *,
    quotas: Quotas,
    threads: PooledThreads,
    health: HealthMonitor,
    notifications: Notifications | None,
    passwords: PooledThreads,
    audit: AuditTrail | None,
) -> ApiContext:
    """Make the parts that the routes of the API share."""
    http = config.http
    locations = Locations.configured(http.host, http.prefix, relative=http.relativeurls)
    sinks: list[EventSink] = [] if notifications is None else [notifications.sink]
    if audit is not None:
        sinks.append(audit)
    return ApiContext(
        build_registry(config, driver, quotas),
        threads,
        locations=locations,
        event_emitter=build_event_emitter(config, locations, sinks),
        authorizer=build_authorizer(config, passwords, locations, audit, driver.require),
        health_failures=lambda: _health_failures(health),
        deletes=config.storage.delete.enabled,
        read_only=config.storage.maintenance.readonly.enabled,
        max_manifest_bytes=config.storage.limits.manifest,
        max_catalog=config.catalog.maxentries,
        max_tags=config.tags.maxtags,
    )


def build_event_emitter(
    config: Config, locations: Locations, sinks: list[EventSink]
) -> EventEmitter:
    """Make the emitter that passes the events of requests on to all sinks."""
    if not sinks:
        return EventEmitter()
    source = EventSource(socket.gethostname(), str(uuid.uuid4()))
    references = config.notifications.events.includereferences
    return EventEmitter(FanOut(tuple(sinks)), locations, source, references)


def _health_failures(health: HealthMonitor) -> list[str]:
    """Return the failures that end the service, as clients may see them."""
    return [
        f"{failed.check.kind}: {failed.reason}"
        for failed in health.failing()
        if not failed.is_degraded
    ]


# The imports below are inside of functions, since only some configurations need these modules: they
# use about 0.9 MiB for metrics, and 0.4 MiB for notifications.


def _build_metrics(config: Config, reactor: Any) -> RegistryMetrics | None:
    debug = config.http.debug
    if not (debug.addr and debug.prometheus.enabled):
        return None
    from .metrics import RegistryMetrics  # noqa: PLC0415 - memory

    return RegistryMetrics(reactor)


def _register_metrics(
    metrics: RegistryMetrics,
    context: ApiContext,
    driver: LocalDriver,
    quotas: Quotas,
    scheduler: MaintenanceScheduler,
) -> None:
    """Register the parts that every registry has."""
    metrics.register_traffic()
    metrics.register_logs()
    metrics.register_cache(context.memory)
    metrics.register_storage(driver)
    metrics.register_quotas(quotas)
    metrics.register_maintenance(scheduler)


def _build_notifications(
    config: Config, reactor: Any, threads: PooledThreads
) -> Notifications | None:
    if all(endpoint.disabled for endpoint in config.notifications.endpoints):
        return None
    from .notifications import Notifications  # noqa: PLC0415 - memory

    return Notifications(config, reactor, threads)


def _build_usage_counter(
    reactor: Any, driver: LocalDriver, quotas: Quotas, scheduler: MaintenanceScheduler
) -> IService:
    counter = UsageCounter(reactor, driver, quotas)
    scheduler.on_change = counter.count
    return counter
