from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHandshakeListener, IReactorTime
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from .error_response import ErrorWriter, last_answer

#: How long a connection that is not let in may take to read why, in seconds.
REFUSED_SECONDS = 1.0


@implementer(IHandshakeListener)
class RejectedConnection(Protocol):
    """
    Says why a connection is not let in, and ends it.

    What its client sends meanwhile is read and thrown away: closing at once would be a reset, and
    a reset takes the answer away from a client that has not read it yet. Over TLS nothing can be
    said before the handshake, and a client that begins none is no longer waited for.

    :param left: Called when it has gone.
    :param errors: Writes what is said.
    """

    # Any: what Twisted declares is less than it has.
    transport: Any

    def __init__(
        self, reason: str, clock: IReactorTime, left: Callable[[], object], errors: ErrorWriter
    ) -> None:
        self._errors = errors
        self._reason = reason
        self._left = left
        self._clock = clock
        self._abort_call: Any = None

    def connectionMade(self) -> None:
        """Send the answer, over TLS after the handshake."""
        self._abort_call = self._clock.callLater(REFUSED_SECONDS, self.transport.abortConnection)
        if not hasattr(self.transport, "getPeerCertificate"):
            self._send_answer()

    def handshakeCompleted(self) -> None:
        """Send the answer."""
        self._send_answer()

    def connectionLost(self, _reason: Any = None) -> None:
        """Cancel the timer."""
        if self._abort_call.active():
            self._abort_call.cancel()
        self._left()

    def _send_answer(self) -> None:
        transport = self.transport
        transport.write(last_answer(503, self._reason, {"Retry-After": "1"}, self._errors))
        half_close = getattr(transport, "loseWriteConnection", None)
        if half_close is None or hasattr(transport, "getPeerCertificate"):
            transport.loseConnection()
        else:
            half_close()
