"""
How an answer that is not the wished one looks: a page, or JSON for programs.
"""

from __future__ import annotations

from typing import Any, cast

from klein import Klein
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from holm_registry.http.body import ClientDisconnected
from holm_registry.http.json_body import json_body
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.preconditions import accepts
from holm_registry.ui.errors import ContentMissing, LoginRefused, LoginRequired, UiError

from .context import UiContext
from .login_throttle import TooManyLogins
from .rendering import user_of
from .template_environment import visible

_log = Logger()


class _NotAllowed(UiError):
    status, title = 405, "Not allowed"


class _Fault(UiError):
    """A fault of ours."""


class _WrongLogin(UiError):
    status, title = 502, "The registry wants another kind of login"


class ErrorPages:
    """Turns whatever a route raises into an answer."""

    def __init__(self, context: UiContext) -> None:
        self._templates = context.templates
        self._login_throttle = context.login_throttle
        self._anonymous_access = context.anonymous_access
        self._show_urls = context.settings.show_urls

    def register(self, app: Klein) -> None:
        """Have an application answer so. The order matters: the first that fits is taken."""
        answers: list[tuple[tuple[type[Exception], ...], Any]] = [
            ((UiError,), self.trouble),
            ((HTTPException,), self.no_route),
            ((ClientDisconnected, CancelledError), self.gone),
            ((Exception,), self.fault),
        ]
        for exceptions, answer in answers:
            app.handle_errors(*exceptions)(answer)

    async def trouble(self, request: StreamedRequest, failure: Failure) -> bytes:
        """Answer what went wrong, and with whose words."""
        problem = cast("UiError", failure.value)
        if isinstance(problem, LoginRequired):
            if problem.url:
                self._anonymous_access.refute()
            if request.header("Authorization") is not None:
                self._login_throttle.note(request)
                problem = _refused(request, problem) if problem.url else problem
            problem = _pass_on(request, problem)
        if isinstance(problem, TooManyLogins):
            request.set_header("Retry-After", str(problem.seconds))
        return await self.render(request, problem)

    async def no_route(self, request: StreamedRequest, failure: Failure) -> bytes:
        """Answer that there is no such page, or not for this method."""
        problem = failure.value
        if isinstance(problem, MethodNotAllowed):
            request.set_header("Allow", ", ".join(sorted(problem.valid_methods or ())))
            return await self.render(request, _NotAllowed("this address takes no such request"))
        return await self.render(request, ContentMissing("there is no such page"))

    def gone(self, request: StreamedRequest, failure: Failure) -> None:
        """Answer nothing: the client has left."""

    async def fault(self, request: StreamedRequest, failure: Failure) -> bytes | None:
        """Log a fault of ours, and answer no more of it than by which name it is in the log."""
        _log.failure("request {request_id} failed", failure, request_id=request.request_id)
        if request.startedWriting:
            request.abort()
            return None
        return await self.render(
            request, _Fault(f"this is a fault of the UI; its log has it as {request.request_id}")
        )

    async def render(self, request: StreamedRequest, problem: UiError) -> bytes:
        """Answer with an error."""
        request.setResponseCode(problem.status)
        request.set_header("X-Request-Id", request.request_id)
        if _wants_json(request):
            request.set_header("Cache-Control", "no-store")
            return json_body(request, problem.as_json(show_url=self._show_urls))
        if not is_browser(request):
            request.set_header("Cache-Control", "no-store")
            return text_body(request, f"{problem.title}: {problem.message}\n")
        # There is no login to end if the registry did not take it.
        stranger = {"user": ""} if problem.status == 401 else {}
        return await self._templates.render(
            request, "error.html", status=problem.status, problem=problem, **stranger
        )


def _wants_json(request: StreamedRequest) -> bool:
    asks = _names(request, "application/json") and not is_browser(request)
    return asks or request.path.startswith((b"/api/", b"/health"))


def is_browser(request: StreamedRequest) -> bool:
    """Return whether a page is wanted: browsers and scripts on pages name HTML, programs do not."""
    return any(_names(request, kind) for kind in ("text/html", "application/xhtml+xml"))


def _names(request: StreamedRequest, media_type: str) -> bool:
    """Return whether a type is asked for by its name, and not refused by a quality of zero."""
    accepted = request.header_values("Accept")
    return media_type in ",".join(accepted).lower() and accepts(accepted, media_type)


def text_body(request: StreamedRequest, text: str) -> bytes:
    """Answer with plain text."""
    content = str(visible(text)).encode("utf-8", "replace")
    request.set_header("Content-Type", "text/plain; charset=utf-8")
    request.set_header("Content-Length", str(len(content)))
    return content


def _refused(request: StreamedRequest, problem: LoginRequired) -> LoginRequired:
    """Return whose login the registry did not take."""
    user = user_of(request)
    return LoginRefused(
        f"the registry does not take the login{f' of {user}' if user else ''}: {problem.message}",
        url=problem.url,
        challenges=problem.challenges,
    )


def _pass_on(request: StreamedRequest, problem: LoginRequired) -> UiError:
    """Have the browser ask its user, where the registry takes what a browser can ask for."""
    basic = [challenge for challenge in problem.challenges if challenge.lower().startswith("basic")]
    if not basic and request.header("Authorization") is None:
        # One that gives out tokens may take a password as well: a visitor with one can try it once.
        basic = ['Basic realm="registry"']
    if not basic:
        kinds = (
            ", ".join(sorted({challenge.partition(" ")[0] for challenge in problem.challenges}))
            or "none"
        )
        return _WrongLogin(
            f"it asks for a login of a kind that browsers cannot give here ({kinds[:100]}); "
            "this page passes on names and passwords (Basic)",
            url=problem.url,
            registry_status=401,
        )
    request.responseHeaders.setRawHeaders("WWW-Authenticate", basic)
    return problem
