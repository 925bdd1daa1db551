from __future__ import annotations

from typing import Protocol

from holm_registry.http.request import StreamedRequest
from holm_registry.threads import Threads


class MetricsSource(Protocol):
    """The metrics of a service."""

    @property
    def content_type(self) -> str:
        """The media type of :meth:`expose`."""

    def expose(self) -> bytes:
        """Return the metrics as text; may block."""


class MetricsResource:
    """The endpoint that Prometheus scrapes."""

    def __init__(self, metrics: MetricsSource, threads: Threads) -> None:
        self._metrics = metrics
        self._threads = threads

    async def get_metrics(self, request: StreamedRequest) -> bytes:
        """Respond with all metrics; they are read in a thread, since storage may be asked."""
        body = await self._threads.run(self._metrics.expose)
        request.set_header("Content-Type", self._metrics.content_type)
        request.set_header("Content-Length", str(len(body)))
        return body
