"""
The site: one request class, one access log, and an end that waits for what is in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Protocol as Connection
from twisted.web.resource import IResource
from twisted.web.server import Site

from .accesslog import combined
from .body import Buffers
from .limits import Connections, HeaderDeadline, Limits
from .proxies import Proxies
from .refusal import last_answer
from .request import StreamedRequest
from .throttle import Throttle

#: How long an idle connection may still bring a last request when the site is to end, in seconds.
LAST_SECONDS = 1.0

_TLS_HANDSHAKE = b"\x16\x03"


class _Refusal(Connection):
    """Says why a connection is not let in, and ends it."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def connectionMade(self) -> None:
        """Say it."""
        transport: Any = self.transport
        transport.write(last_answer(503, self._reason, {"Retry-After": "1"}))
        transport.loseConnection()


class Watcher(Protocol):
    """Hears of each request twice."""

    def began(self, request: Any) -> None:
        """Hear that a request is about to be answered."""

    def ended(self, request: Any) -> None:
        """Hear that it was, or that its client has left."""


class StreamingSite(Site):
    """
    A site whose requests stream.

    :param limits: What one client may take of what is there for all.
    :param proxies: Whose word on who sent a request is believed; None for nobody's.
    :param write_log: Takes one line for each request, or None to keep no access log.
    :ivar throttle: How much one client may ask for.
    :ivar write_log: The same; it may be exchanged.
    :ivar watcher: Hears of each request; None for nobody.
    """

    noisy = False

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        resource: IResource,
        reactor: IReactorTime,
        *,
        write_log: Callable[[str], object] | None = None,
        watcher: Watcher | None = None,
        limits: Limits | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        limits = limits or Limits()
        super().__init__(
            resource, requestFactory=StreamedRequest, timeout=limits.idle_seconds, reactor=reactor
        )
        self.displayTracebacks = False
        self.buffers = Buffers()
        self.connections = Connections(limits)
        self.limits = limits
        self.proxies = proxies or Proxies()
        self.throttle = Throttle(self.limits, reactor.seconds)
        self.watcher = watcher
        self.write_log = write_log
        self._channels: set[Any] = set()
        self._idle: list[Deferred[None]] = []
        self._closing: Any = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Let a connection in, unless there are too many, and note when it has gone."""
        refused = self.connections.enter(addr)
        if refused is not None:
            return _Refusal(refused)
        channel = super().buildProtocol(addr)
        self._channels.add(channel)
        lost, received = channel.connectionLost, channel.dataReceived
        deadline = HeaderDeadline(_http_channel(channel), self.reactor, self.limits.header_seconds)

        def data_received(data: bytes) -> None:
            received(data)
            if channel in self._channels:
                deadline.note()

        def connection_lost(reason: Any) -> None:
            deadline.cancel()
            self.connections.leave(addr)
            self._channels.discard(channel)
            lost(reason)
            self._tell_if_idle()

        channel.dataReceived = data_received
        channel.connectionLost = connection_lost
        _refuse_tls(channel)
        _refuse_long_lines(channel)
        return channel

    def log(self, request: Any) -> None:
        """Write a request into the access log, and tell who watches that it has ended."""
        if self.watcher is not None:
            self.watcher.ended(request)
        if self.write_log is not None:
            self.write_log(combined(request, self.reactor.seconds()))

    def drained(self) -> Deferred[None]:
        """
        Let each connection end with an answer, and give a result once all have.

        An idle one is kept for a moment: a client that is just sending its next request on it would
        take a closed connection for a failure, and many cannot send a body twice.
        """
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        for channel in self._channels:
            http = _http_channel(channel)
            if http.requests:
                # A channel that is not persistent closes behind the answer it owes.
                http.persistent = False
            http.checkPersistence = _is_last
        if self._channels:
            self._closing = self.reactor.callLater(LAST_SECONDS, self._close_idle)
        self._tell_if_idle()
        return done

    def _close_idle(self) -> None:
        for channel in list(self._channels):
            http = _http_channel(channel)
            if not http.requests:
                http.loseConnection()

    def _tell_if_idle(self) -> None:
        if not self._channels:
            if self._closing is not None and self._closing.active():
                self._closing.cancel()
            waiting, self._idle = self._idle, []
            for done in waiting:
                if not done.called:
                    done.callback(None)


def _is_last(request: Any, _version: bytes) -> bool:
    """Tell a channel that no request follows this one, and the client the same."""
    request.responseHeaders.setRawHeaders("Connection", ["close"])
    return False


def _refuse_tls(channel: Any) -> None:
    """
    Have a channel tell a client that tries TLS first that HTTP is spoken here.

    Clients that may fall back to HTTP (skopeo, docker, containerd) do so at once when they get an
    HTTP answer, and after a time-out of ten seconds when they get none.
    """
    received = channel.dataReceived

    def first_received(data: bytes) -> None:
        channel.dataReceived = received
        if data.startswith(_TLS_HANDSHAKE):
            transport = _http_channel(channel).transport
            transport.write(last_answer(400, "this is HTTP, and TLS was spoken"))
            transport.loseConnection()
        else:
            received(data)

    channel.dataReceived = first_received


def _refuse_long_lines(channel: Any) -> None:
    """Have a channel say why it closes on a line of more than 16 KiB: an address or a header."""
    http = _http_channel(channel)

    def line_length_exceeded(_line: bytes) -> None:
        status, what = (431, "a header") if http.requests else (414, "the address")
        http.transport.write(last_answer(status, f"{what} is too long"))
        http.loseConnection()

    http.lineLengthExceeded = line_length_exceeded


def _http_channel(channel: Any) -> Any:
    """Give the HTTP/1.1 channel behind twisted.web's negotiating wrapper."""
    return getattr(channel, "_channel", channel)
