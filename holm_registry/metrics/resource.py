from __future__ import annotations

from typing import Protocol

from holm_registry.http.request import StreamedRequest
from holm_registry.threads import Threads


class MetricsSource(Protocol):
    """Something to show to Prometheus."""

    @property
    def content_type(self) -> str:
        """What it is written as."""

    def expose(self) -> bytes:
        """Write it; may block."""


class MetricsResource:
    """The address that Prometheus reads."""

    def __init__(self, figures: MetricsSource, threads: Threads) -> None:
        self._figures = figures
        self._threads = threads

    async def show(self, request: StreamedRequest) -> bytes:
        """Give all figures; in a thread, as a store may be asked for some."""
        body = await self._threads.run(self._figures.expose)
        request.set_header("Content-Type", self._figures.content_type)
        request.set_header("Content-Length", str(len(body)))
        return body
