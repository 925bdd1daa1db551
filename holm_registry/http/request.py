"""
Requests that are answered while their body arrives.

twisted.web keeps a whole body, in memory or a file, before it calls a handler. Here
a request with a body is handed on when its headers are complete, and the body is read as a stream.
Three things follow, and this file holds all of them:

- At that moment the method and the path still lie on the channel, where nothing public shows them.
- ``Expect: 100-continue`` is answered when the body is first asked for, so that a request that is
  refused is refused before it was sent.
- An answer may be complete before the body is. It is sent, the rest of the body is thrown away
  within bounds so that the client gets to read the answer rather than a reset, and the connection
  is closed.
"""

from __future__ import annotations

from email.utils import formatdate
from functools import cached_property, lru_cache
from time import time
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource

from .body import RequestBody
from .client_request import ClientRequest
from .default_headers import SAFE_HEADERS, DefaultHeaders
from .memory_budget import MemoryBudget
from .request_target import RequestTarget, TargetInvalid, parse_target, require_host
from .stall_timer import StallTimer

#: After an early answer: how much of the body to throw away, in bytes, and for how long, in
#: seconds, before the connection is closed all the same; and how long closing may take.
LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 10.0
LEAVE_SECONDS = 2.0


#: What the access log calls a request whose client left before its answer, as nginx does.
CLIENT_LEFT = 499


_log = Logger()


class _NoContent:
    """Stands where twisted.web keeps a body that it has collected."""

    def close(self) -> None:
        """Do as a file would."""


class StreamedRequest(ClientRequest):
    """
    A request whose body is a stream: :attr:`body`.
    """

    #: twisted.web would call everything HTML.
    defaultContentType = None

    #: The user, once authenticated; empty for anonymous.
    actor = ""

    #: What the site's observer keeps about this request.
    metrics_context: Any = None

    #: Whether it has a body that arrives while it is answered.
    streams = False

    #: Its status in the access log, should the connection be lost before its answer.
    disconnect_status = CLIENT_LEFT

    _problem = ""
    _stall_timer: StallTimer | None = None
    _expects_continue = False
    _lingering: Any = None
    _discarded_bytes = 0

    @cached_property
    def memory(self) -> MemoryBudget:
        """What all requests together keep in memory."""
        found: MemoryBudget = self._channel().site.memory
        return found

    @cached_property
    def body(self) -> RequestBody:
        """The body; empty and complete for a request without one."""
        body = RequestBody(
            self.memory,
            on_read=self._send_continue,
            pause=self._pause_body,
            resume=self._resume_body,
        )
        if not self.streams:
            body.finish()
        return body

    @cached_property
    def first_line(self) -> bytes:
        """Its first line, for the access log."""
        return b" ".join((self.method, self.uri, self.clientproto))

    @property
    def _is_arriving(self) -> bool:
        """Whether there is more to come of its body."""
        return self.streams and not self.body.complete

    @property
    def received_bytes(self) -> int:
        """How much of the body has arrived."""
        return self.body.received_bytes if self.streams else 0

    # What the channel calls, in this order.

    def gotLength(self, length: int | None) -> None:
        """Start handling a request with a body; leave any other to twisted.web."""
        self._read_head()
        if length == 0:
            super().gotLength(length)
            return
        channel = self._channel()
        self.streams = True
        self.content = cast("Any", _NoContent())
        self.method, self.uri = channel._command, channel._path  # noqa: SLF001 - see above
        self.clientproto = channel._version  # noqa: SLF001
        self.path, _, query = self.uri.partition(b"?")
        self.args = parse_qs(query, keep_blank_values=True)
        channel.setTimeout(None)
        self._stall_timer = StallTimer(
            channel.site.reactor,
            channel.site.limits.body_seconds,
            bytes_moved=lambda: self.body.received_bytes,
            waiting_on_us=lambda: self.body.is_sender_waiting,
            on_stall=self.abort,
        )
        self.process()

    def _read_head(self) -> None:
        """Look at what the channel has not: the target, and headers about the connection."""
        channel, headers = self._channel(), self.requestHeaders
        version = channel._version  # noqa: SLF001 - see above
        hosts = headers.getRawHeaders(b"Host", ())
        try:
            require_host(version, hosts)
            target = parse_target(channel._command, channel._path)  # noqa: SLF001
        except TargetInvalid as problem:
            self._problem, target = str(problem), RequestTarget(b"/")
        channel._path = target.path  # noqa: SLF001
        if target.host is not None:
            headers.setRawHeaders(b"Host", [target.host])
        if self._problem or "close" in _listed(headers, b"Connection"):
            self.setHeader(b"Connection", b"close")
            channel.persistent = False
        if headers.hasHeader(b"Expect"):
            # The channel would answer this header as soon as we return.
            expects = "100-continue" in _listed(headers, b"Expect")
            self._expects_continue = expects and version == b"HTTP/1.1"
            headers.removeHeader(b"Expect")

    def handleContentChunk(self, data: bytes) -> None:
        """Pass on a part of the body, or count it among what is thrown away."""
        if self._lingering is None:
            self.body.feed(data)
            return
        self._discarded_bytes += len(data)
        if self._discarded_bytes > LINGER_BYTES:
            self._close()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Note the body's end; a request without a body is only now handled."""
        if not self.streams:
            super().requestReceived(command, path, version)
            return
        # The channel has put its time-out aside until the answer is sent: that of an idle one.
        channel = self._channel()
        channel._savedTimeOut = channel.site.timeOut  # noqa: SLF001
        self._stop_stall_timer()
        if self._lingering is None:
            self.body.finish()
        else:
            self._lingering.cancel()
            # The channel is not persistent: this closes it once everything is sent.
            self._cleanup()

    def process(self) -> None:
        """Tell who watches, and answer: as twisted.web does it, but naming no program."""
        site = self.site = self._channel().site
        if site.observer is not None:
            site.observer.request_began(self)
        _common_headers(int(time())).apply(self)
        self.prepath, self.postpath = (
            [],
            [unquote_to_bytes(part) for part in self.path[1:].split(b"/")],
        )
        if self.path == b"*":
            self._handleStar()
            return
        try:
            self.render(site.getResourceFor(self))
        except BaseException:  # noqa: BLE001 - as twisted.web does
            self.processingFailed(Failure())

    def render(self, resrc: IResource) -> None:
        """Have a resource answer; what twisted.web has set belongs to errors too."""
        self.save_headers()
        if self._problem:
            self._refuse(400, self._problem)
        elif self.method != self.method.upper():
            # Routes are found without regard to case; all that looks at methods (what a HEAD
            # leaves out, what is logged as a write) minds it (RFC 9110, section 9.1).
            self._refuse(501, "methods are written in capitals")
        else:
            super().render(resrc)

    def processingFailed(self, reason: Failure) -> Failure:
        """Answer that something failed that no route could answer, and log it."""
        _log.failure("request {request_id} failed", reason, request_id=self.request_id)
        if self.startedWriting:
            self.abort()
        else:
            self._refuse(500, "unknown error")
        return reason

    def _refuse(self, status: int, message: str) -> None:
        """Answer in the place of a resource."""
        self._channel().site.client_errors.log(self, status, message)
        self.reset_headers()
        self._channel().site.errors.answer(self, status, message)

    def connectionLost(self, reason: Failure) -> None:
        """Notify those that wait for the request's end, then the reader of its body."""
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        self._stop_stall_timer()
        if self.site is not None and not self.finished:
            self.code = self.disconnect_status
            self.site.log(self)
            # What goes on without its client can ask for this no more once the channel has gone.
            _ = self.client_host, self.forwarded
        body = self.body if self.streams else None
        super().connectionLost(reason)
        if body is not None:
            body.connection_lost()

    # What handlers call.

    def write(self, data: bytes) -> None:
        """Send part of the answer; an early one says that the connection will close."""
        if not self.startedWriting and not self._disconnected and self._is_arriving:
            self.setHeader(b"Connection", b"close")
            self._channel().persistent = False
        super().write(data)

    def finish(self) -> None:
        """End the answer; an early one stays until the client has had a chance to read it."""
        if self._disconnected or self.finished or not self._is_arriving:
            if self.streams:
                self.body.release()
            super().finish()
            return
        if not self.startedWriting:
            self.write(b"")
        if self.chunked:
            self._channel().write(b"0\r\n\r\n")
        self._channel().factory.log(self)
        self.finished = True
        self._stop_stall_timer()
        self.body.discard()
        clock = cast("IReactorTime", self._channel().site.reactor)
        self._lingering = clock.callLater(LINGER_SECONDS, self._close)

    def getRequestHostname(self) -> bytes:
        """
        Return one host for all requests.

        Routes are looked up with it, and depend on none. What a client calls us may be anything,
        or nothing; a handler that needs it reads the header.
        """
        return b"localhost"

    def abort(self) -> None:
        """Cut the connection, so that the client does not take half an answer for a whole one."""
        if not self._disconnected:
            self._channel().transport.abortConnection()

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.stop()

    def _close(self) -> None:
        self._channel().close_within(LEAVE_SECONDS)

    def _send_continue(self) -> None:
        if self._expects_continue and not self._disconnected and self._is_arriving:
            self._channel()._send100Continue()  # noqa: SLF001

    def _pause_body(self) -> None:
        self._channel().transport.pauseProducing()

    def _resume_body(self) -> None:
        if not self._disconnected and self._is_arriving:
            if self._stall_timer is not None:
                self._stall_timer.pause_grace()
            self._channel().transport.resumeProducing()


@lru_cache(maxsize=1)
def _common_headers(seconds: int) -> DefaultHeaders:
    """
    Make the headers of every answer, whatever answers; what answers may put others in their place.

    :param seconds: The time, since the epoch.
    """
    date = formatdate(seconds, usegmt=True)
    return DefaultHeaders((name, [value]) for name, value in {"Date": date, **SAFE_HEADERS}.items())


def _listed(headers: Headers, name: bytes) -> list[str]:
    """Return the elements of a header that is a list, in lower case, from all its lines."""
    lines = headers.getRawHeaders(name, ())
    return [
        element.strip().lower().decode("latin-1") for line in lines for element in line.split(b",")
    ]
