"""
How an answer that is not the wished one looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from holm_registry.http.body import ClientDisconnected
from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import (
    NameUnknown,
    RegistryError,
    Unavailable,
    Unknown,
    Unsupported,
)
from holm_registry.storage.errors import StorageUnavailable, VolumeLost

from .error_log import log_error

#: How long the same trouble of the store is not worth another line in the log, in seconds.
_REPEAT_SECONDS = 60.0

_log = Logger()


def render_error(request: StreamedRequest, error: RegistryError) -> bytes:
    """
    Return an error as the specification words it.

    :see: OCI distribution-spec, "Error Codes".
    """
    request.reset_headers()
    request.setResponseCode(error.status)
    request.set_header("X-Request-Id", request.request_id)
    for name, value in error.headers.items():
        request.set_header(name, value)
    return json_body(request, error.document())


class ErrorHandlers:
    """
    Turns whatever a route raises into an answer.

    :param seconds: Tells the time, from any beginning.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._trouble = ("", -_REPEAT_SECONDS)

    def register(self, app: Klein) -> None:
        """Have an application answer so. The order matters: the first that fits is taken."""
        answers: list[tuple[tuple[type[Exception], ...], Any]] = [
            ((RegistryError,), self.refuse),
            ((StorageUnavailable, VolumeLost), self.unavailable),
            ((HTTPException,), self.no_route),
            ((ClientDisconnected, CancelledError), self.gone),
            ((Exception,), self.fault),
        ]
        for exceptions, answer in answers:
            app.handle_errors(*exceptions)(answer)

    def refuse(self, request: StreamedRequest, failure: Failure) -> bytes | None:
        """Answer what the client did wrong."""
        return self._render(request, cast("RegistryError", failure.value))

    def unavailable(self, request: StreamedRequest, failure: Failure) -> bytes | None:
        """Answer that the store fails, and log it: once, not for each of a hundred clients."""
        reason, now = str(failure.value), self._seconds()
        if reason != self._trouble[0] or now - self._trouble[1] >= _REPEAT_SECONDS:
            self._trouble = (reason, now)
            _log.error("storage unavailable: {reason}", reason=reason)
        error = Unavailable(f"storage unavailable: {reason}", headers={"Retry-After": "10"})
        return self._render(request, error)

    def no_route(self, request: StreamedRequest, failure: Failure) -> bytes | None:
        """Answer that there is no such address, or not for this method."""
        problem = failure.value
        if isinstance(problem, MethodNotAllowed):
            allowed = ", ".join(sorted({*(problem.valid_methods or ()), "OPTIONS"}))
            return self._render(
                request, Unsupported("method not allowed here", headers={"Allow": allowed})
            )
        return self._render(request, NameUnknown("no such address in this API"))

    def gone(self, request: StreamedRequest, failure: Failure) -> None:
        """Answer nothing: the client has left."""

    def fault(self, request: StreamedRequest, failure: Failure) -> bytes | None:
        """Log a fault of ours, and answer no more of it than by which name it is in the log."""
        _log.failure("request {request_id} failed", failure, request_id=request.request_id)
        return self._render(request, Unknown(detail={"request_id": request.request_id}))

    def _render(self, request: StreamedRequest, error: RegistryError) -> bytes | None:
        if request.startedWriting:
            request.abort()
            return None
        log_error(request, error)
        return render_error(request, error)
