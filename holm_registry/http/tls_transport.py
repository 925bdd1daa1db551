"""
TLS on connections, with an answer for clients that speak plain HTTP.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure

from .error_response import last_answer

#: The sentence of Go's servers, which registry:2 answers with too: people search for it.
SENTENCE = "Client sent an HTTP request to an HTTPS server."

#: The longest that a record is, in bytes.
_RECORD_BYTES = 16 * 1024

#: How long the client may take to read it, in seconds.
LINGER_SECONDS = 5.0


class TlsTransport(BufferingTLSTransport):
    """
    TLS, unless the first byte that arrives begins an HTTP method, and no record of TLS.

    What comes behind it is thrown away: closing at once would be a reset, which takes the answer
    away from a client that has not read it yet.
    """

    # Any: what Twisted declares of these is less than they have.
    factory: Any
    transport: Any

    _has_begun = False
    _abort_call: Any = None

    def dataReceived(self, data: bytes) -> None:
        """Look at what comes first; all else is TLS."""
        if self._abort_call is not None:
            return
        if not self._has_begun and data[:1].isalpha():
            self._refuse()
            return
        self._has_begun = True
        super().dataReceived(data)  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel the timer."""
        if self._abort_call is not None and self._abort_call.active():
            self._abort_call.cancel()
        super().connectionLost(reason)

    def _flushReceiveBIO(self) -> None:
        """Hand on, as one piece, all records that one piece of the network brought."""
        records: list[bytes] = []
        try:
            while not self._lostTLSConnection:
                records.append(self._tlsConnection.recv(_RECORD_BYTES))
        except SSL.Error:
            # No more for now, the end, or a fault: Twisted finds the same below, and acts on it.
            pass
        if records and not self._aborted:
            # Each for itself would cost as much as a request, also one of a single byte.
            ProtocolWrapper.dataReceived(self, b"".join(records))  # type: ignore[no-untyped-call]
        if self._tlsConnection is not None:
            super()._flushReceiveBIO()  # type: ignore[no-untyped-call]

    def _refuse(self) -> None:
        self._abort_call = self.factory.clock.callLater(
            LINGER_SECONDS, self.transport.abortConnection
        )
        self.transport.write(last_answer(400, SENTENCE))
        self.transport.loseWriteConnection()


class TlsFactory(TLSMemoryBIOFactory):
    """
    Adds TLS to the connections of a site.

    :param tls: Makes the state of each connection.
    :param clock: Ends connections whose client does not.
    """

    protocol = TlsTransport

    def __init__(self, tls: Any, site: Any, clock: IReactorTime) -> None:
        super().__init__(tls, False, site, clock)  # noqa: FBT003
        self.clock = clock
