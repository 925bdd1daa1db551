from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.application.service import IService

from holm_registry.logs.line_writer import dropped_lines
from holm_registry.metrics.callback_collector import CallbackCollector
from holm_registry.metrics.exposition import CONTENT_TYPE, format_metrics, new_registry
from holm_registry.metrics.reactor_latency import ReactorLatency
from holm_registry.metrics.requests import RequestMetrics
from holm_registry.ui.client.exchange import Exchange


class UiMetrics:
    """
    The metrics of a UI.

    :ivar observer: Counts the requests of its site.
    :ivar content_type: The media type of what :meth:`expose` returns.
    """

    content_type = CONTENT_TYPE

    def __init__(self, reactor: Any, exchange: Exchange) -> None:
        self._registry = new_registry()
        self._pages: set[str] = set()
        self.observer = RequestMetrics(self._registry, "holm_ui_http", self._page_of)
        self.reactor_latency: IService = ReactorLatency(reactor, self._registry, "holm_ui")
        callbacks = CallbackCollector(self._registry)
        prefix = "holm_ui_registry"
        callbacks.counter(
            f"{prefix}_requests", "Requests sent to the registry.", lambda: exchange.requests_sent
        )
        callbacks.counter(
            f"{prefix}_failures",
            "Requests without an answer, or with an answer that was refused.",
            lambda: exchange.failed,
        )
        callbacks.gauge(
            f"{prefix}_requests_in_flight", "Requests not answered yet.", lambda: exchange.in_flight
        )

        callbacks.counter(
            "holm_ui_log_lines_dropped", "Log lines that were dropped.", dropped_lines, "log"
        )

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return format_metrics(self._registry)

    def add_pages(self, paths: Iterable[str]) -> None:
        """
        Add pages, which then count under their own names.

        :param paths: The routes of the pages, such as ``/repo/<path:name>``.
        """
        self._pages.update(path.split("/")[1] for path in paths)

    def _page_of(self, path: bytes) -> str:
        """Return the page that a request's path belongs to: its first segment."""
        first = path.split(b"/", 2)[1:2]
        name = first[0].decode("latin-1") if first else ""
        if not name:
            return "repositories"
        # Clients choose paths: other names would create series without bound.
        return name if name in self._pages else "other"
