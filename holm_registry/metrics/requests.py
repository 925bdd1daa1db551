"""
The metrics of HTTP requests, under the names of registry:2.

:see: distribution, ``registry/handlers/app.go`` and docker/go-metrics, ``handler.go``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define, frozen
from prometheus_client import CollectorRegistry, Counter, Histogram

from .callback_collector import CallbackCollector

#: 22 buckets: 1 KiB to 2 GiB, doubling.
_SIZE_BUCKETS = tuple(float(1024 << step) for step in range(22))

_TIME_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

#: Methods that become a label value; all others are counted as ``other``, so that clients cannot
#: create series without bound.
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})


@define
class HandlerStats:
    """The totals of one handler, and its requests in flight."""

    in_flight: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


@frozen
class _Series:
    """The metrics of one handler, method and status code."""

    requests: Any
    seconds: Any
    received: Any
    sent: Any


class RequestMetrics:
    """
    Observes the requests of a site; implements :class:`holm_registry.http.site.RequestObserver`.

    :param prefix: The prefix of the metrics' names: ``registry_http``.
    :param handler_name: Returns the name of the handler of a path, one of a bounded number.
    :param seconds: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        prefix: str,
        handler_name: Callable[[bytes], str],
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        labels = ("handler", "method", "code")
        self._handler_name = handler_name
        self._seconds = seconds
        self._series: dict[tuple[str, bytes, int], _Series] = {}
        self._stats: dict[str, HandlerStats] = {}
        self._requests = Counter(
            f"{prefix}_requests", "Requests with a response.", labels, registry=registry
        )

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"{prefix}_{name}", text, labels, buckets=buckets, registry=registry)

        self._time = histogram(
            "request_duration_seconds",
            "Time from a request's headers to the end of its response.",
            _TIME_BUCKETS,
        )
        self._received = histogram(
            "request_size_bytes", "Bytes received of request bodies.", _SIZE_BUCKETS
        )
        self._sent = histogram(
            "response_size_bytes", "Bytes sent of response bodies.", _SIZE_BUCKETS
        )
        CallbackCollector(registry).gauge(
            f"{prefix}_in_flight_requests",
            "Requests without a complete response.",
            lambda: {handler: stats.in_flight for handler, stats in self._stats.items()},
            "handler",
        )

    def request_began(self, request: Any) -> None:
        """Record that the headers of a request are complete."""
        handler = self._handler_name(request.path)
        request.metrics_context = (handler, self._seconds())
        self.handler_stats(handler).in_flight += 1

    def request_ended(self, request: Any) -> None:
        """Record that a request was answered, or that its client has disconnected."""
        if request.metrics_context is None:
            return
        handler, began = request.metrics_context
        request.metrics_context = None
        stats = self.handler_stats(handler)
        stats.in_flight -= 1
        stats.received_bytes += request.received_bytes
        stats.sent_bytes += request.sentLength
        series = self._series_of(handler, request.method, request.code)
        series.requests.inc()
        series.seconds.observe(self._seconds() - began)
        series.received.observe(request.received_bytes)
        series.sent.observe(request.sentLength)

    def handler_stats(self, handler: str) -> HandlerStats:
        """Return the totals of a handler; the object stays the same."""
        stats = self._stats.get(handler)
        if stats is None:
            stats = self._stats[handler] = HandlerStats()
        return stats

    def _series_of(self, handler: str, method: bytes, code: int) -> _Series:
        """Return the metrics of a kind of request; ``labels()`` for each request is far slower."""
        method = method if method in _METHODS else b"other"
        key = (handler, method, code)
        series = self._series.get(key)
        if series is None:
            labels = (handler, method.decode().lower(), str(code))
            series = self._series[key] = _Series(
                self._requests.labels(*labels),
                self._time.labels(*labels),
                self._received.labels(*labels),
                self._sent.labels(*labels),
            )
        return series
