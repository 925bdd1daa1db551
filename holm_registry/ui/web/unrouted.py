"""
Answers to requests that no route gets to see: pages, JSON or a line of text, as all errors are.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import InvalidRequest, UiError

from .context import UiContext
from .error_pages import ErrorPages
from .security import put_headers

_log = Logger()


class Unanswerable(UiError):
    """A request that is not what HTTP wants, or at whose answer the server failed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.title = UiError.title if status == UiError.status else InvalidRequest.title


class UnroutedErrors:
    """Implements :class:`holm_registry.http.error_response.ErrorWriter` for people."""

    def __init__(self, context: UiContext) -> None:
        self._answers = ErrorPages(context)

    def answer(self, request: StreamedRequest, status: int, message: str) -> None:
        """Answer a request; the answer is complete some time later."""
        put_headers(request)
        problem = Unanswerable(status, message)
        answering = Deferred.fromCoroutine(self._answers.render(request, problem))
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        answering.addCallback(_finish, request)
        answering.addErrback(_give_up, request)

    def content(self, status: int, message: str) -> tuple[str, bytes]:
        """Return a line of text: what was sent does not tell whether a browser sent it."""
        problem = Unanswerable(status, message)
        return "text/plain; charset=utf-8", f"{problem.title}: {message}\n".encode()


def _finish(body: bytes, request: StreamedRequest) -> None:
    request.write(body)
    request.finish()


def _give_up(failure: Failure, request: StreamedRequest) -> None:
    """Log why an error could not be told, unless its client left."""
    if not isinstance(failure.value, CancelledError):
        _log.failure("request {request_id} failed", failure, request_id=request.request_id)
        request.abort()
