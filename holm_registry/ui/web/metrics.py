from __future__ import annotations

from typing import Any

from twisted.application.service import IService

from holm_registry.logs.line_writer import dropped_lines
from holm_registry.metrics.callback_collector import CallbackCollector
from holm_registry.metrics.exposition import CONTENT_TYPE, format_metrics, new_registry
from holm_registry.metrics.reactor_latency import ReactorLatency
from holm_registry.metrics.requests import RequestMetrics
from holm_registry.ui.client.exchange import Exchange

#: What pages are called in the figures: what their addresses begin with.
_PAGES = frozenset(
    {"repo", "image", "raw", "compare", "search", "static", "theme", "delete", "api", "health"}
)


class UiFigures:
    """
    Everything that Prometheus is shown of a UI.

    :ivar observer: Counts the requests of its site.
    :ivar content_type: What :meth:`expose` gives.
    """

    content_type = CONTENT_TYPE

    def __init__(self, reactor: Any, exchange: Exchange) -> None:
        self._registry = new_registry()
        self.observer = RequestMetrics(self._registry, "holm_ui_http", page_of)
        self.delay: IService = ReactorLatency(reactor, self._registry, "holm_ui")
        readings = CallbackCollector(self._registry)
        prefix = "holm_ui_registry"
        readings.counter(
            f"{prefix}_requests", "Sent to the registry.", lambda: exchange.requests_sent
        )
        readings.counter(
            f"{prefix}_failures",
            "Those without an answer, or with one that was refused.",
            lambda: exchange.failed,
        )
        readings.gauge(
            f"{prefix}_requests_in_flight", "Not answered yet.", lambda: exchange.in_flight
        )

        readings.counter(
            "holm_ui_log_lines_dropped", "Log lines that were dropped.", dropped_lines, "log"
        )

    def expose(self) -> bytes:
        """Write them all."""
        return format_metrics(self._registry)


def page_of(path: bytes) -> str:
    """Name the page that answers a request, for the figures."""
    first = path.split(b"/", 2)[1:2]
    name = first[0].decode("latin-1") if first else ""
    if not name:
        return "repositories"
    return name if name in _PAGES else "other"
