"""
The figures of a registry: who watches what, and what is read when it is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.application.service import IService

from holm_registry.api.context import CacheStats
from holm_registry.api.route_names import route_name
from holm_registry.content.quotas import Quotas
from holm_registry.http.connection_limits import ConnectionCounter
from holm_registry.http.rate_limiter import RateLimiter
from holm_registry.logs.line_writer import dropped_lines
from holm_registry.metrics.callback_collector import CallbackCollector
from holm_registry.metrics.exposition import CONTENT_TYPE, exposed, new_registry
from holm_registry.metrics.reactor_latency import ReactorLatency
from holm_registry.metrics.requests import RequestMetrics
from holm_registry.metrics.storage_timing import timed
from holm_registry.notifications.sender import EndpointSender
from holm_registry.notifications.sink import NotificationSink
from holm_registry.storage.driver import Driver
from holm_registry.storage.errors import StorageUnavailable
from holm_registry.threads import PooledThreads

from .maintenance import MaintenanceScheduler, TaskStats


class RegistryMetrics:
    """
    Everything that Prometheus is shown of one registry.

    :ivar watcher: Counts the requests of its site.
    :ivar content_type: What :meth:`expose` gives.
    """

    content_type = CONTENT_TYPE

    def __init__(self, reactor: Any) -> None:
        self._registry = new_registry()
        self._readings = CallbackCollector(self._registry)
        self.watcher = RequestMetrics(self._registry, "registry_http", route_name)
        self.delay: IService = ReactorLatency(reactor, self._registry, "registry")

    def metered(self, driver: Driver, name: str) -> Driver:
        """Give a driver whose verbs are timed."""
        return timed(driver, name, self._registry)

    def expose(self) -> bytes:
        """Write them all; may block, as the store is asked for some."""
        return exposed(self._registry)

    def show_traffic(self) -> None:
        """Show how many bytes went in and out, and how many uploads are in flight."""
        show, traffic = self._readings, self.watcher.traffic
        uploads = [traffic("blob_upload"), traffic("blob_upload_chunk")]
        show.counter(
            "registry_upload_bytes",
            "Bytes of blobs received.",
            lambda: sum(each.received_bytes for each in uploads),
        )
        show.counter(
            "registry_download_bytes", "Bytes of blobs sent.", lambda: traffic("blob").sent_bytes
        )
        show.gauge(
            "registry_uploads_in_flight",
            "Requests that bring bytes of blobs, and are not answered yet.",
            lambda: sum(each.in_flight for each in uploads),
        )

    def show_memory(self, tally: CacheStats) -> None:
        """Show how much is answered from memory, under registry:3's names, and registry:2's."""
        show = self._readings
        prefix = "registry_storage_cache"
        show.counter(f"{prefix}_requests", "Looked for in memory.", lambda: tally.asked)
        show.counter(f"{prefix}_hits", "Found in memory.", lambda: tally.known)
        show.counter(f"{prefix}_errors", "Always none.", lambda: 0)
        show.counter(
            prefix,
            "Looked for in memory, as registry:2 tells it.",
            lambda: {
                "Request": tally.asked,
                "Hit": tally.known,
                "Miss": tally.asked - tally.known,
            },
            "type",
        )

    def show_connections(self, connections: ConnectionCounter, throttle: RateLimiter) -> None:
        """Show how many connections there are, and how much was not let in."""
        show, prefix = self._readings, "registry_http_connections"
        show.gauge(prefix, "Connections.", lambda: connections.count)
        show.counter(f"{prefix}_refused", "Those not let in.", lambda: connections.refused)
        show.counter(
            "registry_http_throttled",
            "Requests refused since their address sent too many.",
            lambda: throttle.refused,
        )

    def show_logs(self) -> None:
        """Show how many log lines nobody read."""
        self._readings.counter(
            "registry_log_lines_dropped", "Log lines that were dropped.", dropped_lines, "log"
        )

    def show_threads(self, threads: PooledThreads) -> None:
        """Show how busy the threads are."""
        show = self._readings
        show.gauge("registry_threads_busy", "Threads at work.", threads.working)
        show.gauge("registry_threads_waiting", "What waits for a thread.", threads.waiting)

    def show_store(self, driver: Driver) -> None:
        """Show how much still fits into the store."""
        self._readings.gauge(
            "registry_storage_free_bytes", "What still fits into the store.", partial(_free, driver)
        )

    def show_notifications(
        self, broadcaster: NotificationSink, couriers: Sequence[EndpointSender]
    ) -> None:
        """Show what became of events, under registry:2's names where it has one."""
        show, prefix = self._readings, "registry_notifications"

        def total(read: Callable[[EndpointSender], int]) -> Callable[[], Mapping[str, float]]:
            def by_endpoint() -> Mapping[str, float]:
                found: Counter[str] = Counter()
                for courier in couriers:
                    found[courier.endpoint] += read(courier)
                return found

            return by_endpoint

        def tries() -> Mapping[tuple[str, str], float]:
            found: Counter[tuple[str, str]] = Counter()
            for courier in couriers:
                found["Successes", courier.endpoint] += courier.successes
                found["Failures", courier.endpoint] += courier.failures
            return found

        def statuses() -> Mapping[tuple[str, str], float]:
            found: Counter[tuple[str, str]] = Counter()
            for courier in couriers:
                for code, count in courier.statuses.items():
                    found[code, courier.endpoint] += count
            return found

        show.counter(f"{prefix}_events", "Delivered, or in vain.", tries, ("type", "endpoint"))
        show.counter(f"{prefix}_status", "Answers.", statuses, ("code", "endpoint"))
        pending = total(lambda courier: courier.queue.pending)
        show.gauge(f"{prefix}_pending_total", "Events that wait.", pending, "endpoint")
        dead = total(lambda courier: courier.queue.dead_letters)
        show.counter(f"{prefix}_dead_letters", "Events given up.", dead, "endpoint")
        damaged = total(lambda courier: courier.queue.damaged)
        show.counter(
            f"{prefix}_damaged", "Queued events that could not be read.", damaged, "endpoint"
        )
        show.counter(f"{prefix}_lost", "Events that were not kept.", lambda: broadcaster.lost)

    def show_quotas(self, quotas: Quotas) -> None:
        """Show how much of each quota is used."""
        if not quotas.limits:
            return
        show, prefix = self._readings, "registry_quota"
        show.gauge(f"{prefix}_used_bytes", "What is held.", lambda: quotas.used, "prefix")
        show.gauge(f"{prefix}_limit_bytes", "What may be.", lambda: quotas.limits, "prefix")

    def show_upkeep(self, upkeep: MaintenanceScheduler) -> None:
        """Show what became of collections and purges."""

        def each(read: Callable[[TaskStats], float]) -> Callable[[], dict[str, float]]:
            return lambda: {task: read(account) for task, account in upkeep.accounts.items()}

        show = partial(self._readings.counter, label="task")
        prefix = "registry_maintenance"
        show(f"{prefix}_runs", "Collections and purges done.", each(lambda of: of.runs))
        show(f"{prefix}_failures", "Those that failed.", each(lambda of: of.failures))
        show(f"{prefix}_freed_bytes", "What they freed.", each(lambda of: of.freed_bytes))
        show = partial(self._readings.gauge, label="task")
        show(f"{prefix}_problems", "What the last one found damaged.", each(lambda of: of.problems))
        show(
            f"{prefix}_last_success_timestamp_seconds",
            "When the last one was done.",
            each(lambda of: of.last),
        )


def _free(driver: Driver) -> float | None:
    try:
        return driver.free_bytes()
    except StorageUnavailable:
        return None
