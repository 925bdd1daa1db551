"""
One question to a registry and its answer: bounded in size and time, and a few at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, TypeVar

import msgspec
from attrs import define, evolve, frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
    SSLError,
)
from twisted.internet.error import ConnectionRefusedError as NoListener
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError
from twisted.web.client import (
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from holm_registry.ui.errors import (
    ContentMissing,
    LoginRequired,
    RegistryRefused,
    RegistryTimeout,
    RegistryUnreachable,
    UiError,
)
from holm_registry.ui.model.documents import DocumentInvalid, read

from .concurrency import ConcurrencyLimit
from .links import is_safe_elsewhere, resolve, same_origin

#: How many requests are in flight at the most.
IN_FLIGHT = 16

#: How long one request may take altogether, in seconds.
REQUEST_SECONDS = 15.0

#: The most that is read of an answer that is an error, or that is not used, in bytes.
MAX_ERROR_BYTES = 64 * 1024

#: How often the log is told that the registry is down, in seconds.
QUIET_SECONDS = 60.0

#: How many redirects are followed in a row.
MAX_REDIRECTS = 5

#: Bodies up to this size, in bytes, are read side by side; of larger ones, so many.
SMALL_BODY_BYTES = 256 * 1024
LARGE_BODIES = 2

T = TypeVar("T")

_log = Logger()

_REDIRECTS = (301, 302, 303, 307, 308)


class TooLarge(UiError):
    """The registry sent more than is taken."""

    status, title = 502, "Too large to show"


class RegistryNotFound(ContentMissing):
    """The registry answered 404."""


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


@define
class RegistryAnswer:
    """An answer that was read whole."""

    status: int
    headers: Any
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of a name; empty for none, and what is no UTF-8 is replaced."""
        return next(iter(self.header_values(name)), "")

    def header_values(self, name: str) -> list[str]:
        """Return all headers of a name, as text; what is no UTF-8 is replaced."""
        # By bytes: asked for a text, Headers would decode strictly.
        values = self.headers.getRawHeaders(name.encode()) or []
        return [value.decode("utf-8", "replace") for value in values]


@frozen
class _RegistryRequest:
    method: str
    url: str
    headers: dict[str, list[str]]
    content: bytes | None
    max_bytes: int
    elsewhere: bool


_NO_ANSWER = (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
    ResponseFailed,
    ResponseNeverReceived,
    RequestTransmissionFailed,
    SSLError,
)


class Exchange:
    """
    Asks a registry.

    :param http: See :func:`.plain_agent.plain_client`.
    :param gate: Lets so many requests through at once.
    :ivar requests_sent: How many requests were sent.
    :ivar failed: How many of them were not answered, or not with success.
    """

    def __init__(self, http: HTTPClient, clock: IReactorTime, gate: ConcurrencyLimit) -> None:
        self._http = http
        self._clock = clock
        self._gate = gate
        self._large = DeferredSemaphore(LARGE_BODIES)
        self._quiet_until = -inf
        self.requests_sent = 0
        self.failed = 0

    def seconds(self) -> float:
        """Return the time, in seconds of the clock."""
        return self._clock.seconds()

    @property
    def in_flight(self) -> int:
        """How many requests are not answered yet."""
        return self._gate.entries

    async def ask(  # noqa: PLR0913 - keyword-only
        self,
        method: str,
        url: str,
        headers: dict[str, list[str]],
        *,
        max_bytes: int = MAX_ERROR_BYTES,
        content: bytes | None = None,
        background: bool = False,
        elsewhere: bool = False,
    ) -> RegistryAnswer:
        """
        Send a request and read its answer.

        :param max_bytes: The largest answer taken.
        :param background: Let requests of waiting visitors go first.
        :param elsewhere: Whether a redirect to another server is followed, without any login.
        :raises UiError: There was no answer, or it was none of success.
        """
        question = _RegistryRequest(method, url, headers, content, max_bytes, elsewhere)
        with self._counted():
            answer = await self._ask(question, background=background)
            _require_success(answer, url)
        return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except UiError as problem:
            self.failed += 1
            self._tell(problem)
            raise

    def _tell(self, problem: UiError) -> None:
        """Log what was asked in vain, which visitors are not told; not each time at full voice."""
        now = self._clock.seconds()
        is_down = isinstance(problem, (RegistryUnreachable, RegistryTimeout))
        tell = _log.warn if is_down and now >= self._quiet_until else _log.debug
        if tell != _log.debug:
            self._quiet_until = now + QUIET_SECONDS
        cause = _cause(problem.__cause__)
        tell("asked {url}: {title}: {message}{cause}", url=problem.url, title=problem.title,
             message=problem.message, cause=f" ({cause})" if cause else "")  # fmt: skip

    async def _ask(self, question: _RegistryRequest, *, background: bool) -> RegistryAnswer:
        async with self._gate.entered(background=background):
            self.requests_sent += 1
            asking = Deferred.fromCoroutine(self._follow(question))
            try:
                return await asking.addTimeout(REQUEST_SECONDS, self._clock)
            except (DeferredTimeout, ConnectTimeout) as problem:
                raise RegistryTimeout(
                    f"no answer within {REQUEST_SECONDS:.0f} seconds", url=question.url
                ) from problem
            except _NO_ANSWER as problem:
                raise RegistryUnreachable(_reason(problem), url=question.url) from problem

    async def _follow(self, question: _RegistryRequest) -> RegistryAnswer:
        """Ask, and where the answer lies at another address, ask there."""
        asked = question
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._exchange(asked)
            # Whatever changes something is done at this address or not at all.
            if answer.status not in _REDIRECTS or asked.method not in ("GET", "HEAD"):
                return answer
            asked = _redirected(asked, answer.header("Location"))
        raise _misled("the registry redirects without end", question, answer)

    async def _exchange(self, question: _RegistryRequest) -> RegistryAnswer:
        response = await self._http.request(
            question.method,
            question.url,
            headers=Headers(question.headers),
            data=question.content,
            unbuffered=True,
            allow_redirects=False,
        )
        limit = question.max_bytes if response.code < 300 else MAX_ERROR_BYTES
        body = _Body(0 if question.method == "HEAD" else limit, question.url, self._large)
        response.deliverBody(body)
        return RegistryAnswer(response.code, response.headers, await body.complete)


def _redirected(asked: _RegistryRequest, location: str) -> _RegistryRequest:
    """
    Return the question to ask where a redirect leads.

    A registry may keep content elsewhere. It is fetched without the visitor's login, and what
    comes is compared with its digest; lists of names, which have none, are not.
    """
    if not location:
        raise RegistryRefused("the registry redirects, and does not say where", url=asked.url)
    url = resolve(asked.url, location)
    if same_origin(asked.url, url):
        return evolve(asked, url=url)
    if not asked.elsewhere or not is_safe_elsewhere(asked.url, url):
        raise RegistryRefused("the registry redirects to another server", url=asked.url)
    kept = {name: values for name, values in asked.headers.items() if name != "Authorization"}
    return evolve(asked, url=url, headers=kept)


def _misled(message: str, question: _RegistryRequest, answer: RegistryAnswer) -> RegistryRefused:
    return RegistryRefused(message, url=question.url, registry_status=answer.status)


def _require_success(answer: RegistryAnswer, url: str) -> None:
    if 200 <= answer.status < 300:
        return
    message = _message(answer)
    if answer.status == 401:
        challenges = tuple(answer.header_values("WWW-Authenticate"))
        raise LoginRequired(message or "authentication required", url=url, challenges=challenges)
    if answer.status == 404:
        raise RegistryNotFound(message or "not found", url=url, registry_status=404)
    raise RegistryRefused(
        message or f"status {answer.status}", url=url, registry_status=answer.status
    )


class _Body(Protocol):
    """
    Takes in a body within bounds; ends the connection of one that is not wanted any more.

    :param large: Lets a few large bodies be read at a time; others wait, and their senders with
        them.
    """

    def __init__(self, limit: int, url: str, large: DeferredSemaphore) -> None:
        self._limit = limit
        self._url = url
        self._large = large
        self._turn: Deferred[DeferredSemaphore] | None = None
        self._buffer = bytearray()
        self.complete: Deferred[bytes] = Deferred(lambda _: self._hang_up())
        self.complete.addBoth(self._end_turn)

    def dataReceived(self, data: bytes) -> None:
        """Keep what came, as long as it is not too much."""
        if self.complete.called:
            return
        if len(self._buffer) + len(data) > self._limit:
            self._buffer.clear()
            self.complete.errback(_too_large(self._limit, self._url))
            self._hang_up()
            return
        self._buffer += data
        if len(self._buffer) > SMALL_BODY_BYTES and self._turn is None:
            self._take_turn()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end, or that it came too early."""
        if self.complete.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.complete.callback(bytes(self._buffer))
        else:
            self.complete.errback(reason)

    def _take_turn(self) -> None:
        self._turn = self._large.acquire()
        if self._turn.called:
            return
        self._producer().pauseProducing()
        self._turn.addCallbacks(self._go_on, lambda failure: failure.trap(CancelledError))

    def _go_on(self, turn: DeferredSemaphore) -> DeferredSemaphore:
        if not self.complete.called:
            self._producer().resumeProducing()
        return turn

    def _end_turn(self, result: T) -> T:
        turn, self._turn = self._turn, None
        if turn is not None and not turn.called:
            turn.cancel()
        elif turn is not None:
            self._large.release()
        self._buffer = bytearray()
        return result

    def _producer(self) -> Any:
        # Any: Twisted's proxy of the transport, which pauses and resumes.
        return self.transport

    def _hang_up(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


def _too_large(limit: int, url: str) -> TooLarge:
    return TooLarge(f"the registry's answer is larger than {limit:,} bytes", url=url)


def _message(answer: RegistryAnswer) -> str:
    """Find the registry's own words in an error."""
    try:
        errors = read(answer.body, _Errors).errors
    except DocumentInvalid:
        return ""
    return "; ".join(
        ": ".join(part for part in (error.code, error.message) if part) for error in errors[:5]
    )[:500]


def _cause(problem: BaseException | None) -> str:
    """Return what the network said, in one line; it may name addresses."""
    reasons = getattr(problem, "reasons", None)
    if reasons:
        return _cause(reasons[0].value)
    return "" if problem is None else " ".join(str(problem).split())[:500]


def _reason(problem: BaseException) -> str:
    """Return in one line why there is no answer, without naming where it was asked for."""
    reasons = getattr(problem, "reasons", None)
    if reasons:
        return _reason(reasons[0].value)
    for kind, text in _REASONS.items():
        if isinstance(problem, kind):
            return text
    return "the connection failed"


_REASONS: dict[type[BaseException], str] = {
    DNSLookupError: "its name cannot be resolved",
    NoListener: "it refused the connection",
    ConnectError: "no connection to it can be made",
    SSLError: "no secure connection to it can be made",
    ConnectionDone: "it closed the connection without an answer",
    ConnectionLost: "it cut the connection without an answer",
    ParseError: "its answer is not valid HTTP",
    ValueError: "its answer is not valid HTTP",
}
