"""
The site: one request class, one access log, and an end that waits for what is in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Site

from .channel import Channel
from .client_error_log import ClientErrorLog
from .combined_log import format_combined
from .connection_limits import ConnectionCounter, ConnectionTimeouts
from .error_response import REGISTRY_ERRORS, ErrorWriter
from .memory_budget import MemoryBudget
from .rate_limiter import RateLimiter
from .rejected_connection import RejectedConnection
from .request import StreamedRequest
from .trusted_proxies import TrustedProxies

#: How long an idle connection may still bring a last request when the site is to end, and how long
#: it may then take to close, in seconds.
LAST_SECONDS = 1.0


class RequestObserver(Protocol):
    """Hears of each request twice."""

    def request_began(self, request: Any) -> None:
        """Hear that a request is about to be answered."""

    def request_ended(self, request: Any) -> None:
        """Hear that it was, or that its client has left."""


class StreamingSite(Site):
    """
    A site whose requests stream.

    :param limits: What one client may use of the shared resources.
    :param proxies: The trusted proxies; None for none.
    :param errors: Writes the answers to what does not reach the resource.
    :param write_log: Takes one line for each request, or None to keep no access log.
    :ivar memory: What all requests together keep in memory.
    :ivar rate_limiter: How much one client may ask for.
    :ivar write_log: The same; it may be exchanged.
    :ivar observer: Observes each request; None for none.
    """

    noisy = False
    protocol = Channel  # type: ignore[assignment]

    def __init__(  # noqa: PLR0913 - keyword-only
        self,
        resource: IResource,
        reactor: IReactorTime,
        *,
        write_log: Callable[[str], object] | None = None,
        observer: RequestObserver | None = None,
        limits: ConnectionTimeouts | None = None,
        proxies: TrustedProxies | None = None,
        errors: ErrorWriter = REGISTRY_ERRORS,
    ) -> None:
        limits = limits or ConnectionTimeouts()
        super().__init__(
            resource, requestFactory=StreamedRequest, timeout=limits.idle_seconds, reactor=reactor
        )
        self.displayTracebacks = False
        self.errors = errors
        self.memory = MemoryBudget(reactor)
        self.connections = ConnectionCounter(limits)
        self.limits = limits
        self.proxies = proxies or TrustedProxies()
        self.client_errors = ClientErrorLog(reactor)
        self.rate_limiter = RateLimiter(self.limits, reactor.seconds)
        self.observer = observer
        self.write_log = write_log
        self._channels: set[Any] = set()
        self._drain_waiters: list[Deferred[None]] = []
        self._closing: Any = None
        self._accept_calls: list[Callable[[], object]] = []

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Let a connection in, unless there are too many."""
        refused = self.connections.acquire(addr)
        if refused is not None:
            self.connections.rejected += 1
            return RejectedConnection(refused, self.reactor, self._rejected_closed, self.errors)
        channel: Any = super().buildProtocol(addr)
        channel.address = addr
        self._channels.add(channel)
        return channel

    def call_when_accepting(self, call: Callable[[], object]) -> None:
        """Call a function once, when the next connection has closed."""
        self._accept_calls.append(call)

    def _rejected_closed(self) -> None:
        self.connections.rejected -= 1
        self._notify_accepting()

    def _notify_accepting(self) -> None:
        waiting, self._accept_calls = self._accept_calls, []
        for call in waiting:
            call()

    def connection_closed(self, channel: Channel) -> None:
        """Note that a connection is lost."""
        self.connections.release(channel.address)
        self._notify_accepting()
        self._channels.discard(channel)
        self._notify_if_drained()

    def log(self, request: Any) -> None:
        """Write a request into the access log, and tell who watches that it has ended."""
        if self.observer is not None:
            self.observer.request_ended(request)
        self.log_unparsed(request)

    def log_unparsed(self, request: Any) -> None:
        """Write what could not be read as a request into the access log."""
        if self.write_log is not None:
            self.write_log(format_combined(request, self.reactor.seconds()))

    def drain(self) -> Deferred[None]:
        """
        Let each connection end after its answer; fire when all are closed.

        An idle one is kept for a moment: a client that is just sending its next request on it would
        take a closed connection for a failure, and many cannot send a body twice.
        """
        done: Deferred[None] = Deferred()
        self._drain_waiters.append(done)
        for channel in self._channels:
            if channel.requests:
                # A channel that is not persistent closes behind the answer it owes.
                channel.persistent = False
            channel.checkPersistence = _is_last
        if self._channels:
            self._closing = self.reactor.callLater(LAST_SECONDS, self._close_idle)
        self._notify_if_drained()
        return done

    def _close_idle(self) -> None:
        for channel in list(self._channels):
            if not channel.requests:
                channel.close_within(LAST_SECONDS)

    def abort_connections(self) -> None:
        """Abort all connections that are left."""
        for channel in list(self._channels):
            channel.transport.abortConnection()

    def _notify_if_drained(self) -> None:
        if not self._channels:
            if self._closing is not None and self._closing.active():
                self._closing.cancel()
            waiting, self._drain_waiters = self._drain_waiters, []
            for done in waiting:
                if not done.called:
                    done.callback(None)


def _is_last(request: Any, _version: bytes) -> bool:
    """Tell a channel that no request follows this one, and the client the same."""
    request.responseHeaders.setRawHeaders("Connection", ["close"])
    return False
