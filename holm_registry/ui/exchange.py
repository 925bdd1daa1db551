"""
One question to a registry and its answer: bounded in size and time, and a few at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from attrs import define
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.error import InfiniteRedirection, PageRedirect, RedirectWithNoLocation
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from .errors import LoginNeeded, Missing, Refused, Slow, Trouble, Unreachable
from .gate import Gate

#: How many requests are in flight at the most.
IN_FLIGHT = 16

#: How long one request may take altogether, in seconds.
REQUEST_SECONDS = 15.0

#: The most that is read of an answer that is an error, or that nobody reads, in bytes.
MAX_ERROR_BYTES = 64 * 1024


class TooLarge(Trouble):
    """The registry sent more than is taken."""

    status, title = 502, "Too large to show"


class NotFound(Missing):
    """The registry answered 404."""


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


@define
class Answer:
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


_NO_ANSWER = (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
    ResponseFailed,
    ResponseNeverReceived,
    InfiniteRedirection,
    PageRedirect,
    RedirectWithNoLocation,
)


class Exchange:
    """
    Asks a registry.

    :param gate: Lets so many requests through at once.
    :ivar asked: How many requests were sent.
    :ivar failed: How many of them were not answered, or not with success.
    """

    def __init__(self, http: HTTPClient, clock: IReactorTime, gate: Gate) -> None:
        self._http = http
        self._clock = clock
        self._gate = gate
        self.asked = 0
        self.failed = 0

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
    ) -> Answer:
        """
        Send a request and read its answer.

        :param max_bytes: The largest answer taken.
        :param background: Let whoever is waited for go first.
        :raises Trouble: There was no answer, or it was none of success.
        """
        with self._counted():
            answer = await self._ask(
                method, url, headers, content, max_bytes, background=background
            )
            _require_success(answer, url)
        return answer

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except Trouble:
            self.failed += 1
            raise

    async def _ask(  # noqa: PLR0913 - the same
        self,
        method: str,
        url: str,
        headers: dict[str, list[str]],
        content: bytes | None,
        max_bytes: int,
        *,
        background: bool,
    ) -> Answer:
        async with self._gate.entered(background=background):
            self.asked += 1
            asking = Deferred.fromCoroutine(
                self._exchange(method, url, headers, content, max_bytes)
            )
            try:
                return await asking.addTimeout(REQUEST_SECONDS, self._clock)
            except (DeferredTimeout, ConnectTimeout) as problem:
                raise Slow(f"no answer within {REQUEST_SECONDS:.0f} seconds", url=url) from problem
            except _NO_ANSWER as problem:
                raise Unreachable(_reason(problem), url=url) from problem

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, list[str]],
        content: bytes | None,
        max_bytes: int,
    ) -> Answer:
        response = await self._http.request(
            method,
            url,
            headers=Headers(headers),
            data=content,
            unbuffered=True,
            # Blobs may lie elsewhere; whatever changes something is done here or not at all.
            allow_redirects=method in ("GET", "HEAD"),
        )
        limit = max_bytes if response.code < 300 else MAX_ERROR_BYTES
        body = _Body(0 if method == "HEAD" else limit, url)
        response.deliverBody(body)
        return Answer(response.code, response.headers, await body.complete)


def _require_success(answer: Answer, url: str) -> None:
    if answer.status < 300:
        return
    message = _message(answer)
    if answer.status == 401:
        challenges = tuple(answer.header_values("WWW-Authenticate"))
        raise LoginNeeded(message or "authentication required", url=url, challenges=challenges)
    if answer.status == 404:
        raise NotFound(message or "not found", url=url, registry_status=404)
    raise Refused(message or f"status {answer.status}", url=url, registry_status=answer.status)


class _Body(Protocol):
    """Takes in a body within bounds; ends the connection of one that is not wanted any more."""

    def __init__(self, limit: int, url: str) -> None:
        self._limit = limit
        self._url = url
        self._buffers: list[bytes] = []
        self._size = 0
        self.complete: Deferred[bytes] = Deferred(lambda _: self._hang_up())

    def dataReceived(self, data: bytes) -> None:
        """Keep what came, as long as it is not too much."""
        self._size += len(data)
        if self._size <= self._limit:
            self._buffers.append(data)
        elif not self.complete.called:
            self.complete.errback(_too_large(self._limit, self._url))
            self._hang_up()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end, or that it came too early."""
        if self.complete.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.complete.callback(b"".join(self._buffers))
        else:
            self.complete.errback(reason)

    def _hang_up(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.loseConnection()


def _too_large(limit: int, url: str) -> TooLarge:
    return TooLarge(f"the registry's answer is larger than {limit:,} bytes", url=url)


def _message(answer: Answer) -> str:
    """Find the registry's own words in an error."""
    try:
        errors = msgspec.json.decode(answer.body, type=_Errors).errors
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return "; ".join(
        ": ".join(part for part in (error.code, error.message) if part) for error in errors[:5]
    )[:500]


def _reason(problem: BaseException) -> str:
    """Say in one line why there is no answer."""
    reasons = getattr(problem, "reasons", None)
    if reasons:
        return _reason(reasons[0].value)
    return str(problem).strip().rstrip(".") or type(problem).__name__
