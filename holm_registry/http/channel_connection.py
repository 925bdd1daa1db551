"""
How a connection opens, how much it receives at once, and how it is closed.

Every connection that is to be closed is closed, whatever its client does.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel
from zope.interface import implementer

#: How much to take from a socket at once, in bytes: outside bodies, in bodies of tiny chunks, in
#: other bodies.
RECEIVE_BYTES = 16 * 1024
RECEIVE_BODY_BYTES = 256 * 1024

#: The most to take at once of what TLS has encrypted, in bytes: a connection keeps for its life a
#: buffer that has room for as much as ever came at once.
RECEIVE_ENCRYPTED_BYTES = 64 * 1024

#: How long a connection that is to be closed may take for it, in seconds: to send what is left of
#: an answer; where nothing is left but to see the client close.
CLOSE_SECONDS = 15.0
LEAVE_SECONDS = 2.0


@implementer(IHandshakeListener)
class ConnectionChannel(HTTPChannel):
    """
    The server's side of a connection, without the requests on it.

    :ivar site: The :class:`.site.StreamingSite` that it belongs to.
    :ivar address: What its site counted it as.
    """

    site: Any
    address: Any = None
    # Any: what Twisted declares is less than each of them has.
    transport: Any
    _networkProducer: Any

    def __init__(self) -> None:
        super().__init__()
        self._deadline: Any = None
        self._abort_call: Any = None
        self._addresses: tuple[Any, Any] = (None, None)
        self._is_secure = False

    def connectionMade(self) -> None:
        """Wait for a first request, and for TLS not for long."""
        super().connectionMade()
        # Twisted asks the kernel for each request.
        self._addresses = (self.transport.getHost(), self.transport.getPeer())
        self._is_secure = bool(super().isSecure())
        self._receive_at_once(RECEIVE_BYTES)
        if self.isSecure():
            self._start_deadline()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Cancel the timers."""
        for call in (self._deadline, self._abort_call):
            if call is not None and call.active():
                call.cancel()
        self._deadline = self._abort_call = None
        super().connectionLost(reason)

    def getHost(self) -> Any:
        """Return the address that the client connected to."""
        return self._addresses[0]

    def getPeer(self) -> Any:
        """Return the address that the client connected from."""
        return self._addresses[1]

    def isSecure(self) -> bool:
        """Return whether the connection is one of TLS."""
        return self._is_secure

    def handshakeCompleted(self) -> None:
        """Wait for a request as on any other connection."""
        self._end_deadline()

    def loseConnection(self) -> None:
        """Close when all is sent; in any case soon."""
        self.close_within(CLOSE_SECONDS)

    def close_within(self, seconds: float) -> None:
        """Close when all is sent; after some time, all the same."""
        if self._abort_call is None:
            self._abort_call = self.callLater(seconds, self.transport.abortConnection)
        super().loseConnection()

    def timeoutConnection(self) -> None:
        """Close a connection that was idle for too long."""
        self.close_within(LEAVE_SECONDS)

    def _start_deadline(self) -> None:
        if self._deadline is None:
            seconds = self.site.limits.header_seconds
            self._deadline = self.callLater(seconds, self.transport.abortConnection)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            if self._deadline.active():
                self._deadline.cancel()
            self._deadline = None

    def _receive_share(self) -> None:
        """Take no more of a body at once than it may keep."""
        self._receive_at_once(min(RECEIVE_BODY_BYTES, self.site.memory.share_bytes()))

    def _receive_at_once(self, size: int) -> None:
        if self._is_secure:
            size = min(size, RECEIVE_ENCRYPTED_BYTES)
        # TLS has the socket's own transport behind it.
        transport = getattr(self.transport, "transport", self.transport)
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = size

    def _close_both_ways(self) -> None:
        """Send that nothing follows, and wait a moment for the client to close."""
        half_close = getattr(self.transport, "loseWriteConnection", None)
        if half_close is None or self.isSecure():
            # TLS waits for the other side in any case.
            self.close_within(LEAVE_SECONDS)
            return
        self._abort_call = self.callLater(LEAVE_SECONDS, self.transport.abortConnection)
        self._networkProducer.unregisterProducer()
        self._networkProducer.resumeProducing()
        half_close()
