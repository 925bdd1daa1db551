"""The UI in memory: its real site, asking a registry in memory."""

from __future__ import annotations

import copy
import gzip
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

from attrs import Factory, define, evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from holm_registry.http.site import StreamingSite
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.threads import ImmediateThreads
from holm_registry.ui.app import UiResource
from holm_registry.ui.builder import build_context
from holm_registry.ui.web.assets import find_templates
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.settings import UiSettings
from holm_registry.ui.web.template_environment import make_environment
from holm_registry.ui.web.unrouted import UnroutedErrors

from ..gallery import Gallery
from ..http.wire import Answer, Connection, Server, head, parse

REGISTRY_URL = "http://registry.test:5000"
SETTINGS = UiSettings(
    REGISTRY_URL,
    "registry.example:31500",
    ":8080",
    allowed_hosts=("ui.test", "registry.test"),
)

#: A page of each kind, of the registry that the fixture ``gallery`` has.
PAGES = (
    "/",
    "/repo/team/app",
    "/image/team/app:v1.10.0",
    "/compare?a=team/app:v1.9.0&b=team/app:latest",
    "/delete?repo=team/app&tag=latest",
)


@implementer(IResponse)
class Response:
    """What the UI is given for an answer."""

    def __init__(self, answer: Answer) -> None:
        self.version = (b"HTTP", 1, 1)
        self.code = answer.status
        self.phrase = b""
        self.headers = answer.headers
        self.length = len(answer.body)
        self.request = self.previousResponse = None
        self._body = answer.body

    def deliverBody(self, protocol) -> None:
        protocol.makeConnection(_Transport())
        if self._body:
            protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))

    def setPreviousResponse(self, response) -> None:
        self.previousResponse = response


class _Transport:
    def loseConnection(self) -> None:
        """There is nothing to lose."""


@implementer(IAgent)
@define
class Wire:
    """
    Carries requests to a registry.

    ``intercept`` may answer in its place: an :class:`Answer`, an exception, a Deferred; or None.
    """

    carry: Callable[[str, str, bytes | None, dict[str, Any]], Answer]
    intercept: Callable[[str, str, Headers], Any] = lambda method, path, headers: None
    requests_sent: list[str] = Factory(list)

    def request(self, method, uri, headers=None, bodyProducer=None):
        method, url = method.decode(), urlsplit(uri.decode())
        path = url.path + (f"?{url.query}" if url.query else "")
        self.requests_sent.append(f"{method} {path}")
        found = self.intercept(method, path, headers)
        if isinstance(found, Deferred):
            return found
        if isinstance(found, Exception):
            # An exception that was raised holds on to all it went through: a new one each time.
            return fail(copy.copy(found))
        body = None if bodyProducer is None else bodyProducer._inputFile.read()
        named = {name.decode(): values for name, values in headers.getAllRawHeaders()}
        # As bytes, which a visitor may have chosen.
        named = {name: [v.decode("latin-1") for v in values] for name, values in named.items()}
        found = found or self.carry(method, path, body, named)
        return succeed(Response(evolve(found, body=b"") if method == "HEAD" else found))


class Page(HTMLParser):
    """What a page holds, for looking at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self.links.append(dict(attrs).get("href", ""))

    def handle_endtag(self, tag):
        if tag not in ("bdi", "a", "span", "code", "strong"):
            self._texts.append(" ")

    def handle_data(self, data):
        self._texts.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join("".join(self._texts).split())

    def rows(self) -> list[str]:
        """Give what each row of lists is about: where its first link leads."""
        parts = self.source.split("data-row")[1:]
        return [part.split('href="')[1].split('"')[0] for part in parts]

    def inputs(self, name: str) -> list[str]:
        """Give the values of the inputs of a name."""
        return [
            attributes.get("value", "")
            for tag, attributes in self.tags
            if tag == "input" and attributes.get("name") == name
        ]


@define
class Ui:
    """A UI, the registry it shows, and any number of visitors."""

    server: Server = Factory(Server)
    settings: UiSettings = SETTINGS
    clock: Clock = Factory(Clock)
    wire: Wire = None
    context: UiContext = None
    site: StreamingSite = None
    access_log: list[str] = Factory(list)
    connections: list[Connection] = Factory(list)

    def __attrs_post_init__(self) -> None:
        self.wire = Wire(self._carry)
        self.clock.advance(1_000_000)
        self.start()

    def start(self) -> None:
        """Begin anew, with nothing known."""
        environment = make_environment(find_templates(), self.settings)
        self.context = build_context(
            self.settings, self.clock, ImmediateThreads(), self.wire, environment
        )
        self.site = StreamingSite(
            UiResource(self.context),
            self.clock,
            write_log=self.access_log.append,
            proxies=TrustedProxies(self.settings.proxies[0], local=self.settings.proxies[1]),
            errors=UnroutedErrors(self.context),
        )

    @property
    def gallery(self) -> Gallery:
        """Pushes to the registry."""
        return Gallery(self.server.request)

    def _carry(self, method, path, body, headers) -> Answer:
        connection = self.server.connect()
        kept = {name: v for name, v in headers.items() if name.lower() != "content-length"}
        length = None if body is None else len(body)
        connection.send(head(method, path, kept, length) + (body or b""))
        return connection.answer()

    def connect(self) -> Connection:
        """Open a connection."""
        self.connections.append(Connection(self.site))
        return self.connections[-1]

    def hang_up(self) -> None:
        """End every connection that is still open."""
        for connection in self.connections:
            if connection.transport.connected:
                connection.leave()
        self.server.hang_up()

    def request(self, method: str, path: str, body: bytes | None = None, **headers: Any) -> Answer:
        """Send one request; underscores in names of headers are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = self.connect()
        length = None if body is None else len(body)
        connection.send(head(method, path, named, length) + (body or b""))
        return connection.answer()

    def get(self, path: str, **headers: Any) -> Answer:
        """Fetch something."""
        return self.request("GET", path, **headers)

    def page(self, path: str, status: int = 200, **headers: Any) -> Page:
        """Fetch a page that must answer with a status."""
        answer = self.get(path, **{"Accept": "text/html", **headers})
        assert answer.status == status, (answer.status, answer.body[:3000])
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        body = answer.body
        if answer.header("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return Page(body.decode())

    def post(self, path: str, fields: Any, **headers: Any) -> Answer:
        """Send a form."""
        headers.setdefault("Content_Type", "application/x-www-form-urlencoded")
        return self.request("POST", path, urlencode(fields, doseq=True).encode(), **headers)

    def tags(self, repository: str) -> list[str]:
        """Ask the registry itself for the tags of a repository."""
        answer = self.server.request("GET", f"/v2/{repository}/tags/list")
        return [] if answer.status == 404 else answer.json["tags"] or []

    def has(self, repository: str, digest: str) -> bool:
        """Ask the registry itself whether it has a manifest."""
        return self.server.request("HEAD", f"/v2/{repository}/manifests/{digest}").status == 200


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Make an answer of a registry."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return parse(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)
