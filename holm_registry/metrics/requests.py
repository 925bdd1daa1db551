"""
What is counted of each request, under registry:2's names.

:see: distribution, ``registry/handlers/app.go`` and docker/go-metrics, ``handler.go``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define, frozen
from prometheus_client import CollectorRegistry, Counter, Histogram

from .callback_collector import CallbackCollector

#: From 1 KiB, doubling, 22 of them.
_SIZE_BUCKETS = tuple(float(1024 << step) for step in range(22))

_TIME_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

#: Methods by their own names; whatever else a client invents is one more.
_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})


@define
class HandlerStats:
    """What one handler has to do, and has done."""

    in_flight: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0


@frozen
class _Series:
    """The figures of one handler, method and code."""

    requests: Any
    seconds: Any
    received: Any
    sent: Any


class RequestMetrics:
    """
    Watches the requests of a site.

    :param prefix: What the names begin with: ``registry_http``.
    :param handler_of: Names what answers a request, by its path: one of a few names.
    :param seconds: Tells the time, from any beginning.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        prefix: str,
        handler_of: Callable[[bytes], str],
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        labels = ("handler", "method", "code")
        self._handler_of = handler_of
        self._seconds = seconds
        self._series: dict[tuple[str, bytes, int], _Series] = {}
        self._traffic: dict[str, HandlerStats] = {}
        self._requests = Counter(
            f"{prefix}_requests", "Requests that were answered.", labels, registry=registry
        )

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"{prefix}_{name}", text, labels, buckets=buckets, registry=registry)

        self._time = histogram(
            "request_duration_seconds",
            "From a request's headers to the end of its answer.",
            _TIME_BUCKETS,
        )
        self._received = histogram("request_size_bytes", "Received of bodies.", _SIZE_BUCKETS)
        self._sent = histogram("response_size_bytes", "Sent of bodies.", _SIZE_BUCKETS)
        CallbackCollector(registry).gauge(
            f"{prefix}_in_flight_requests",
            "Requests being answered.",
            lambda: {handler: each.in_flight for handler, each in self._traffic.items()},
            "handler",
        )

    def began(self, request: Any) -> None:
        """Note that a request is being answered."""
        handler = self._handler_of(request.path)
        request.watched = (handler, self._seconds())
        self.traffic(handler).in_flight += 1

    def ended(self, request: Any) -> None:
        """Note that it was, or that its client has left."""
        if request.watched is None:
            return
        handler, began = request.watched
        request.watched = None
        traffic = self.traffic(handler)
        traffic.in_flight -= 1
        traffic.received_bytes += request.received_bytes
        traffic.sent_bytes += request.sentLength
        series = self._find(handler, request.method, request.code)
        series.requests.inc()
        series.seconds.observe(self._seconds() - began)
        series.received.observe(request.received_bytes)
        series.sent.observe(request.sentLength)

    def traffic(self, handler: str) -> HandlerStats:
        """Give what one handler has to do."""
        found = self._traffic.get(handler)
        if found is None:
            found = self._traffic[handler] = HandlerStats()
        return found

    def _find(self, handler: str, method: bytes, code: int) -> _Series:
        """Find the figures of a kind of request; looking them up by labels takes far longer."""
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
