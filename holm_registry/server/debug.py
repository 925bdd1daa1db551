"""
The debug server (``http.debug.addr``): health and metrics.

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

    :param metrics: The metrics; None if they are disabled.
    :param path: The path of the metrics.
    """

    def __init__(
        self,
        health: HealthMonitor,
        threads: Threads,
        metrics: MetricsSource | None = None,
        path: str = "/metrics",
    ) -> None:
        self._health = health
        self._threads = threads
        self._metrics = metrics
        self._path = path

    def resource(self) -> KleinResource:
        """Make the resource of the debug server's site."""
        app = Klein()
        app.route("/debug/health", methods=["GET"], endpoint="health")(self.health)
        if self._metrics is not None:
            resource = MetricsResource(self._metrics, self._threads)
            app.route(self._path, methods=["GET"], endpoint="metrics")(resource.get_metrics)
        # Any: Klein's types only allow methods as error handlers.
        handlers: list[tuple[type[Exception], Any]] = [
            (HTTPException, _http_error),
            (Exception, _internal_error),
        ]
        for exception, handler in handlers:
            app.handle_errors(exception)(handler)
        return KleinResource(app)

    def health(self, request: StreamedRequest) -> bytes:
        """Respond with the failed checks and their reasons, and 503; with 200 if there is none."""
        failing = {failed.check.name: failed.reason for failed in self._health.failing()}
        request.setResponseCode(503 if failing else 200)
        return json_body(request, failing)


def _http_error(request: StreamedRequest, failure: Failure) -> bytes:
    return _text(request, cast("HTTPException", failure.value).code or 404, "no such address")


def _internal_error(request: StreamedRequest, failure: Failure) -> bytes:
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
