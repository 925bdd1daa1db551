"""HTTP in memory: bytes through the real protocol stack, no socket, no reactor."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define, frozen
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.web.http_headers import Headers

from holm_registry.api.app import ApiResource
from holm_registry.api.context import ApiContext
from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.http.site import StreamingSite
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.storage.driver import Driver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.threads import ImmediateThreads

HEADERS = {
    "Access-Control-Allow-Origin": ["*"],
    "Access-Control-Expose-Headers": ["Docker-Content-Digest"],
}


@frozen
class Answer:
    """A response, taken apart."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the only header of a name."""
        values = self.headers.getRawHeaders(name)
        assert values is None or len(values) == 1, (name, values)
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """Give the body, decoded."""
        import json

        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """Give the codes of an error."""
        return [error["code"] for error in self.json["errors"]]


class _Transport(StringTransportWithDisconnection):
    """A transport that says, as real ones do, that it is about to close."""

    def loseConnection(self) -> None:
        self.disconnecting = True
        super().loseConnection()

    def loseWriteConnection(self) -> None:
        # A client that has read all closes as well.
        self.loseConnection()


class Connection:
    """One client's connection."""

    def __init__(self, site: StreamingSite, peer: Any = None) -> None:
        self.protocol = site.buildProtocol(peer)
        self.transport = _Transport(peerAddress=peer)
        self.transport.protocol = self.protocol
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """Deliver bytes to the server."""
        self.protocol.dataReceived(data)

    def leave(self) -> None:
        """Hang up."""
        self.transport.loseConnection()

    def received(self) -> bytes:
        """Give, and forget, what the server sent."""
        data = self.transport.value()
        self.transport.clear()
        return data

    def answer(self) -> Answer:
        """Take apart what the server sent."""
        return parse(self.received())


def parse(data: bytes) -> Answer:
    """Take apart one response."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = Headers()
    for line in lines[1:]:
        name, _, value = line.partition(": ")
        headers.addRawHeader(name, value)
    return Answer(int(lines[0].split()[1]), headers, body)


def head(method: str, path: str, headers: dict[str, Any], length: int | None) -> bytes:
    """Write the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: registry.test"]
    if length is not None and "Transfer-Encoding" not in headers:
        lines.append(f"Content-Length: {length}")
    for name, value in headers.items():
        lines += [f"{name}: {each}" for each in (value if isinstance(value, list) else [value])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@define
class Server:
    """A registry, and any number of clients of it."""

    driver: Driver = Factory(MemoryDriver)
    validation: Validation = Factory(Validation)
    bounds: ContentLimits = Factory(ContentLimits)
    quotas: Quotas = Factory(lambda: Quotas({}))
    settings: dict[str, Any] = Factory(dict)
    headers: dict[str, list[str]] = HEADERS
    prefix: str = "/"
    proxies: TrustedProxies = Factory(TrustedProxies)
    clock: Clock = Factory(Clock)
    access_log: list[str] = Factory(list)
    connections: list[Connection] = Factory(list)
    registry: Registry = None
    site: StreamingSite = None

    def __attrs_post_init__(self) -> None:
        self.registry = Registry(self.driver, self.validation, self.bounds, self.quotas)
        context = ApiContext(self.registry, ImmediateThreads(), **self.settings)
        resource = ApiResource(context, self.headers, self.prefix)
        self.site = StreamingSite(
            resource, self.clock, write_log=self.access_log.append, proxies=self.proxies
        )

    def connect(self, peer: Any = None) -> Connection:
        """Open a connection, from an address if it matters."""
        self.connections.append(Connection(self.site, peer))
        return self.connections[-1]

    def hang_up(self) -> None:
        """End every connection that is still open."""
        for connection in self.connections:
            if connection.transport.connected:
                connection.leave()

    def request(self, method: str, path: str, body: bytes | None = None, **headers: Any) -> Answer:
        """Send one request on a connection of its own; underscores in names are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        length = None if body is None else len(body)
        connection = self.connect()
        connection.send(head(method, path, named, length) + (body or b""))
        return connection.answer()

    def push_blob(self, repository: str, content: bytes, algorithm: str = "sha256") -> str:
        """Push a blob in one request; give its digest."""
        from holm_registry.oci.digest import Digest

        digest = str(Digest.of(content, algorithm))
        answer = self.request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content)
        assert answer.status == 201, answer
        return digest

    def push_image(
        self, repository: str, reference: str, config: bytes, layers: list[bytes], **fields: Any
    ) -> str:
        """Push an image with all its parts; give its digest."""
        from ..images import image

        for content in (config, *layers):
            self.push_blob(repository, content)
        return self.push_manifest(repository, reference, image(config, layers, **fields))

    def push_manifest(self, repository: str, reference: str, payload: bytes) -> str:
        """Push a manifest as what it says it is; give its digest."""
        answer = self.request("PUT", f"/v2/{repository}/manifests/{reference}", payload)
        assert answer.status == 201, answer
        return answer.header("Docker-Content-Digest")

    def start_upload(self, repository: str) -> str:
        """Begin an upload; give where it goes on."""
        answer = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        assert answer.status == 202, answer
        return answer.header("Location")
