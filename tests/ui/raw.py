"""A registry that answers with any bytes, asked by Twisted's own client over pipes in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import Factory, define
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint, ITransport
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import Agent
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from holm_registry.ui.client.bounded_connections import BoundedPool

from ..http.wire import Answer, parse
from .wire import Ui

#: What a registry answers to a request: bytes, sent in pieces for as long as they are taken.
Behaviour = Callable[[str, str, str], Iterable[bytes]]

#: How large the pieces are that a socket gives at once.
PIECE = 65536


@implementer(ITransport)
class Pipe:
    """One connection. What the registry sends is taken piece by piece until one side has enough."""

    disconnecting = False

    def __init__(self, registry: RawRegistry, host: str) -> None:
        self._registry = registry
        self._host = host
        self._received = b""
        self._pieces: Iterable[bytes] = iter(())
        self._paused = self._pumping = False
        self.connected = True
        self.sent_bytes = 0

    def write(self, data: bytes) -> None:
        self._received += data
        head, separator, _ = self._received.partition(b"\r\n\r\n")
        if separator:
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            self._received = b""
            self._registry.requests_sent.append((self._host, method, target, head.decode()))
            self._pieces = iter(self._registry.behave(method, target, self._host))
            self._registry.soon(self._pump)

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        while self.connected and not self._paused:
            piece = next(self._pieces, None)
            if piece is None:
                break
            if piece == HANG_UP:
                self.loseConnection()
                break
            self.sent_bytes += len(piece)
            self.protocol.dataReceived(piece)
        self._pumping = False

    def writeSequence(self, data):
        self.write(b"".join(data))

    def registerProducer(self, producer, streaming): ...

    def unregisterProducer(self): ...

    def pauseProducing(self):
        self._paused = True

    def resumeProducing(self):
        self._paused = False
        self._registry.soon(self._pump)

    def stopProducing(self):
        self.loseConnection()

    def loseConnection(self):
        if self.connected:
            self.connected = False
            self._registry.soon(lambda: self.protocol.connectionLost(Failure(ConnectionDone())))

    abortConnection = loseConnection

    def getPeer(self):
        return None

    getHost = getPeer


#: Stands for the end of a connection.
HANG_UP = b"\0hang up\0"


@implementer(IStreamClientEndpoint)
@define
class _Endpoint:
    registry: RawRegistry
    host: str

    def connect(self, factory):
        protocol = factory.buildProtocol(None)
        pipe = Pipe(self.registry, self.host)
        self.registry.pipes.append(pipe)
        pipe.protocol = protocol
        protocol.makeConnection(pipe)
        return succeed(protocol)


@implementer(IAgentEndpointFactory)
@define
class RawRegistry:
    """
    A registry, and every other server of the world.

    :ivar requests_sent: Host and port, method, target and head of each request.
    """

    clock: Clock
    behave: Behaviour = lambda method, target, host: [response(404)]
    requests_sent: list[tuple[str, str, str, str]] = Factory(list)
    pipes: list[Pipe] = Factory(list)

    def endpointForURI(self, uri):
        return _Endpoint(self, f"{uri.host.decode()}:{uri.port}")

    def agent(self) -> Agent:
        return Agent.usingEndpointFactory(self.clock, self, BoundedPool(self.clock))

    def soon(self, call) -> None:
        self.clock.callLater(0, call)

    @property
    def sent_bytes(self) -> int:
        return sum(pipe.sent_bytes for pipe in self.pipes)


def response(status: int, body: bytes = b"", *lines: str) -> bytes:
    """Write an answer."""
    head = "".join(f"{line}\r\n" for line in (*lines, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def ui_of(behave: Behaviour) -> tuple[Ui, RawRegistry]:
    """Make a UI of a registry."""
    ui = Ui()
    registry = RawRegistry(ui.clock, behave)
    ui.wire = registry.agent()
    ui.start()
    return ui, registry


def fetch(ui: Ui, request: bytes) -> Answer:
    """Send a request, and let time pass until it is answered, but not more than two minutes."""
    connection = ui.connect()
    connection.send(request)
    received = connection.received()
    for step in [0.0] * 2500 + [0.5] * 240:
        if received:
            break
        ui.clock.advance(step)
        received = connection.received()
    return parse(received)
