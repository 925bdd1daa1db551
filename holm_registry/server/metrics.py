"""
The metrics of a registry: connect its parts to the collectors that read them at each scrape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from twisted.application.service import IService
from twisted.internet.interfaces import IReactorTime

from holm_registry.api.context import CacheStats
from holm_registry.api.route_names import route_name
from holm_registry.content.quotas import Quotas
from holm_registry.http.connection_limits import ConnectionCounter
from holm_registry.http.rate_limiter import RateLimiter
from holm_registry.logs.line_writer import dropped_lines
from holm_registry.metrics.callback_collector import CallbackCollector
from holm_registry.metrics.exposition import CONTENT_TYPE, format_metrics, new_registry
from holm_registry.metrics.reactor_latency import ReactorLatency
from holm_registry.metrics.requests import RequestMetrics
from holm_registry.metrics.storage_timing import timed
from holm_registry.notifications.sender import EndpointSender
from holm_registry.notifications.sink import NotificationSink
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import StorageUnavailable
from holm_registry.storage.local_driver import LocalDriver
from holm_registry.threads import PooledThreads

from .maintenance import MaintenanceScheduler, TaskStats


class RegistryMetrics:
    """
    All metrics of one registry, for Prometheus.

    :ivar requests: Observes the requests of the registry's site.
    :ivar reactor_latency: A service that measures the reactor's latency.
    :ivar content_type: The media type of :meth:`expose`.
    """

    content_type = CONTENT_TYPE

    def __init__(self, reactor: IReactorTime) -> None:
        self._registry = new_registry()
        self._collector = CallbackCollector(self._registry)
        self.requests = RequestMetrics(self._registry, "registry_http", route_name)
        self.reactor_latency: IService = ReactorLatency(reactor, self._registry, "registry")

    def timed_driver(self, driver: LocalDriver, name: str) -> LocalDriver:
        """Return a driver that measures the duration of each operation of another one."""
        return timed(driver, name, self._registry)

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format; may block, since it asks the storage."""
        return format_metrics(self._registry)

    def register_traffic(self) -> None:
        """Register the bytes of blobs received and sent, and the uploads in flight."""
        add, stats = self._collector, self.requests.handler_stats
        uploads = [stats("blob_upload"), stats("blob_upload_chunk")]
        add.counter(
            "registry_upload_bytes",
            "Bytes of blobs received.",
            lambda: sum(upload.received_bytes for upload in uploads),
        )
        add.counter(
            "registry_download_bytes", "Bytes of blobs sent.", lambda: stats("blob").sent_bytes
        )
        add.gauge(
            "registry_uploads_in_flight",
            "Requests that upload bytes of blobs and have no response yet.",
            lambda: sum(upload.in_flight for upload in uploads),
        )

    def register_cache(self, cache: CacheStats) -> None:
        """Register the lookups in the metadata cache, under the names of registry:3 and 2."""
        add = self._collector
        prefix = "registry_storage_cache"
        add.counter(f"{prefix}_requests", "Lookups in the metadata cache.", lambda: cache.lookups)
        add.counter(f"{prefix}_hits", "Lookups that were a hit.", lambda: cache.hits)
        add.counter(f"{prefix}_errors", "Lookups that failed; always 0.", lambda: 0)
        add.counter(
            prefix,
            "Lookups in the metadata cache by type, as in registry:2.",
            lambda: {
                "Request": cache.lookups,
                "Hit": cache.hits,
                "Miss": cache.lookups - cache.hits,
            },
            "type",
        )

    def register_connections(self, connections: ConnectionCounter, limiter: RateLimiter) -> None:
        """Register the open connections, and what limits have refused."""
        add, prefix = self._collector, "registry_http_connections"
        add.gauge(prefix, "Open connections.", lambda: connections.count)
        add.counter(
            f"{prefix}_refused",
            "Connections refused by a limit on connections.",
            lambda: connections.refused,
        )
        add.counter(
            "registry_http_throttled",
            "Requests refused by the rate limit of their address.",
            lambda: limiter.refused,
        )

    def register_logs(self) -> None:
        """Register the dropped log lines."""
        self._collector.counter(
            "registry_log_lines_dropped",
            "Log lines dropped because their stream accepted no data.",
            dropped_lines,
            "log",
        )

    def register_threads(self, threads: PooledThreads) -> None:
        """Register the load of the thread pool."""
        add = self._collector
        add.gauge("registry_threads_busy", "Threads that run a call.", threads.working)
        add.gauge("registry_threads_waiting", "Calls that wait for a thread.", threads.waiting)

    def register_storage(self, driver: Driver) -> None:
        """Register the free space of the storage."""
        self._collector.gauge(
            "registry_storage_free_bytes",
            "Free space of the storage's volume.",
            partial(_free_bytes, driver),
        )

    def register_notifications(
        self, sink: NotificationSink, senders: Sequence[EndpointSender]
    ) -> None:
        """Register the events by endpoint, under the names of registry:2 where it has one."""
        add, prefix = self._collector, "registry_notifications"
        attempts, statuses = partial(_attempts, senders), partial(_statuses, senders)
        by_endpoint = partial(_by_endpoint, senders)
        pending = by_endpoint(lambda sender: sender.queue.pending)
        dead_letters = by_endpoint(lambda sender: sender.queue.dead_letters)
        damaged = by_endpoint(lambda sender: sender.queue.damaged)
        add.counter(
            f"{prefix}_events",
            "Attempts to deliver an event, by their outcome.",
            attempts,
            ("type", "endpoint"),
        )
        add.counter(f"{prefix}_status", "Responses of endpoints.", statuses, ("code", "endpoint"))
        add.gauge(f"{prefix}_pending_total", "Events in the queue.", pending, "endpoint")
        add.counter(f"{prefix}_dead_letters", "Events given up.", dead_letters, "endpoint")
        add.counter(
            f"{prefix}_damaged", "Lines of the queue that could not be read.", damaged, "endpoint"
        )
        add.counter(
            f"{prefix}_lost", "Events that could not be written to a queue.", lambda: sink.lost
        )

    def register_quotas(self, quotas: Quotas) -> None:
        """Register the use and the limit of each quota; nothing where there is none."""
        if not quotas.limits:
            return
        add, prefix = self._collector, "registry_quota"
        add.gauge(
            f"{prefix}_used_bytes",
            "Bytes that count towards a quota.",
            lambda: quotas.used,
            "prefix",
        )
        add.gauge(f"{prefix}_limit_bytes", "The limit of a quota.", lambda: quotas.limits, "prefix")

    def register_maintenance(self, scheduler: MaintenanceScheduler) -> None:
        """Register the runs of collections and purges, by task."""

        def by_task(read: Callable[[TaskStats], float]) -> Callable[[], dict[str, float]]:
            return lambda: {task: read(stats) for task, stats in scheduler.stats.items()}

        prefix = "registry_maintenance"
        counter = partial(self._collector.counter, label="task")
        counter(f"{prefix}_runs", "Successful runs.", by_task(lambda stats: stats.runs))
        counter(f"{prefix}_failures", "Failed runs.", by_task(lambda stats: stats.failures))
        counter(f"{prefix}_freed_bytes", "Bytes freed.", by_task(lambda stats: stats.freed_bytes))
        gauge = partial(self._collector.gauge, label="task")
        gauge(
            f"{prefix}_problems",
            "Problems that the last run found.",
            by_task(lambda stats: stats.problems),
        )
        gauge(
            f"{prefix}_last_success_timestamp_seconds",
            "When the last successful run ended.",
            by_task(lambda stats: stats.last_success),
        )


def _by_endpoint(
    senders: Sequence[EndpointSender], read: Callable[[EndpointSender], int]
) -> Callable[[], Mapping[str, float]]:
    """Return a callback that sums a value over the senders of each endpoint."""

    def total() -> Mapping[str, float]:
        totals: Counter[str] = Counter()
        for sender in senders:
            totals[sender.endpoint] += read(sender)
        return totals

    return total


def _attempts(senders: Sequence[EndpointSender]) -> Mapping[tuple[str, str], float]:
    attempts: Counter[tuple[str, str]] = Counter()
    for sender in senders:
        attempts["Successes", sender.endpoint] += sender.successes
        attempts["Failures", sender.endpoint] += sender.failures
    return attempts


def _statuses(senders: Sequence[EndpointSender]) -> Mapping[tuple[str, str], float]:
    statuses: Counter[tuple[str, str]] = Counter()
    for sender in senders:
        for code, count in sender.statuses.items():
            statuses[code, sender.endpoint] += count
    return statuses


def _free_bytes(driver: Driver) -> float | None:
    try:
        return driver.free_bytes()
    except StorageUnavailable:
        return None
