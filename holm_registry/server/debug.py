"""
Health and figures: ``http.debug.addr``.

:see: distribution, "Configuring a registry", ``debug``.
"""

from __future__ import annotations

from typing import Any, cast

from klein import Klein
from klein.resource import KleinResource
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException

from holm_registry.health.monitor import HealthMonitor
from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.metrics.resource import MetricsResource, MetricsSource
from holm_registry.threads import Threads

_log = Logger()


class DebugRoutes:
    """
    The routes of the debug server.

    :param figures: What to show of figures; None for nothing.
    :param path: Where.
    """

    def __init__(
        self,
        health: HealthMonitor,
        threads: Threads,
        figures: MetricsSource | None = None,
        path: str = "/metrics",
    ) -> None:
        self._health = health
        self._threads = threads
        self._figures = figures
        self._path = path

    def resource(self) -> KleinResource:
        """Make a resource of them."""
        app = Klein()
        app.route("/debug/health", methods=["GET"], endpoint="health")(self.health)
        if self._figures is not None:
            route = MetricsResource(self._figures, self._threads)
            app.route(self._path, methods=["GET"], endpoint="figures")(route.show)
        # Any: Klein's types know only errors that are answered by methods.
        answers: list[tuple[type[Exception], Any]] = [
            (HTTPException, _no_route),
            (Exception, _fault),
        ]
        for exception, answer in answers:
            app.handle_errors(exception)(answer)
        return KleinResource(app)

    def health(self, request: StreamedRequest) -> bytes:
        """Tell what is not well: a JSON mapping, empty and 200, or 503."""
        failing = {each.check.name: each.reason for each in self._health.failing()}
        request.setResponseCode(503 if failing else 200)
        return json_body(request, failing)


def _no_route(request: StreamedRequest, failure: Failure) -> bytes:
    return _text(request, cast("HTTPException", failure.value).code or 404, "no such address")


def _fault(request: StreamedRequest, failure: Failure) -> bytes:
    _log.failure(
        "debug server: request {request_id} failed", failure, request_id=request.request_id
    )
    return _text(request, 500, f"request {request.request_id} failed")


def _text(request: StreamedRequest, status: int, text: str) -> bytes:
    request.setResponseCode(status)
    request.set_header("Content-Type", "text/plain; charset=utf-8")
    body = f"{text}\n".encode()
    request.set_header("Content-Length", str(len(body)))
    return body
