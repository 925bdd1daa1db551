"""
From plain data to a page: templates, compression, and not sending what a browser has.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment

from holm_registry.http.request import StreamedRequest
from holm_registry.threads import Threads

from .assets import Asset
from .security import local_path

#: Smaller answers are not worth compressing.
_COMPRESS_BYTES = 1000
_COMPRESS_LEVEL = 5


class Templates:
    """
    The pages of the UI.

    :param environment: The templates; see :mod:`.environment`.
    :param may_gain: Tells whether a visitor might see or do more with another login.
    :param base_of: Gives the path below which a visitor sees the UI, without a slash at its end.
    """

    def __init__(
        self,
        environment: Environment,
        assets: Mapping[str, Asset],
        threads: Threads,
        may_gain: Callable[[StreamedRequest], bool],
        base_of: Callable[[StreamedRequest], str],
    ) -> None:
        self._threads = threads
        self._may_gain = may_gain
        self._base_of = base_of
        self._assets = assets
        self._environment = environment

    async def render(
        self, request: StreamedRequest, name: str, /, *, status: int = 200, **data: Any
    ) -> bytes:
        """Answer with a page."""
        base = self._base_of(request)
        visitor = {
            **request_view(request, base),
            "may_gain": self._may_gain(request),
            "links": PageLinks(base),
            "asset": lambda file: base + self._assets[file].path,
        }
        return await self._threads.run(self._render, visitor, name, data).addCallback(
            lambda page: send(request, page, "text/html; charset=utf-8", status=status)
        )

    def _render(
        self, visitor: Mapping[str, Any], name: str, data: Mapping[str, Any]
    ) -> RenderedPage:
        now = datetime.now(UTC).timestamp()
        text = self._environment.get_template(name).render({**visitor, "now": now, **data})
        return compressed(text.encode("utf-8", "replace"))


class RenderedPage:
    """An answer's content, as it is and compressed."""

    def __init__(self, content: bytes, compressed: bytes | None, etag: str) -> None:
        self.content = content
        self.compressed = compressed
        self.etag = etag


def compressed(content: bytes) -> RenderedPage:
    """Compress content, where that is worth it."""
    etag = f'W/"{blake2b(content, digest_size=12).hexdigest()}"'
    small = len(content) < _COMPRESS_BYTES
    return RenderedPage(
        content, None if small else gzip.compress(content, _COMPRESS_LEVEL, mtime=0), etag
    )


def send(
    request: StreamedRequest, page: RenderedPage, content_type: str, *, status: int = 200
) -> bytes:
    """Set the headers of an answer that depends on who asks; give its body."""
    request.setResponseCode(status)
    request.set_header("Content-Type", content_type)
    request.set_header("Cache-Control", "private, no-cache")
    request.set_header("Vary", "Accept-Encoding, Cookie, Authorization")
    if status == 200:
        request.set_header("ETag", page.etag)
        if page.etag in (request.header("If-None-Match") or ""):
            request.setResponseCode(304)
            return b""
    content = page.content
    if page.compressed is not None and accepts_gzip(request):
        request.set_header("Content-Encoding", "gzip")
        content = page.compressed
    request.set_header("Content-Length", str(len(content)))
    return content


def accepts_gzip(request: StreamedRequest) -> bool:
    """Return whether a browser takes compressed answers."""
    return "gzip" in (request.header("Accept-Encoding") or "")


def request_view(request: StreamedRequest, base: str) -> Mapping[str, str]:
    """Return what templates know of the visitor: preferences kept in cookies, and the address."""
    theme = cookie(request, "theme")
    return {
        "theme": theme if theme in ("dark", "light") else "auto",
        "client": cookie(request, "client"),
        "user": user_of(request),
        # A page that answers a form cannot be come back to.
        "here": local_path(base + request.uri.decode("ascii", "replace"), base)
        if request.method == b"GET"
        else f"{base}/",
        "base": base,
    }


def user_of(request: StreamedRequest) -> str:
    """Return the name that a visitor's login is for; a mark where it is for a name of no kind."""
    kind, _, encoded = (request.header("Authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        # Bytes, since b64decode has another error for text that is not ASCII.
        name, _, _ = base64.b64decode(encoded.encode()).partition(b":")
    except ValueError:
        return ""
    return name.decode("utf-8", "replace")[:100] or "?"


def cookie(request: StreamedRequest, name: str) -> str:
    """Return a cookie, as text; empty for none."""
    value = request.getCookie(name.encode())
    return "" if value is None else value.decode("ascii", "replace")


class PageLinks:
    """
    The addresses of pages.

    :param base: The path below which they are, without a slash at its end.
    """

    def __init__(self, base: str = "") -> None:
        self._base = base

    def home(self) -> str:
        """Return the first page."""
        return f"{self._base}/"

    def repository(self, name: str) -> str:
        """Return the page of a repository."""
        return f"{self._base}/repo/{quote(name)}"

    def image(self, repository: str, reference: str, **query: str) -> str:
        """Return the page of an image, by tag or digest."""
        return self._image("image", repository, reference, query)

    def raw(self, repository: str, reference: str, **query: str) -> str:
        """Return a manifest as it is."""
        return self._image("raw", repository, reference, query)

    def delete(self, repository: str, **query: str) -> str:
        """Return the page that asks before it deletes."""
        return f"{self._base}/delete?{urlencode({'repo': repository, **query})}"

    def deleting(self, repository: str, key: str) -> str:
        """Return the page that tells how far a deletion has come."""
        return f"{self._base}/deleting?{urlencode({'repo': repository, 'key': key})}"

    def login(self, back: str) -> str:
        """Return the page that asks for a login, and then leads back."""
        return f"{self._base}/login?{urlencode({'back': back})}"

    def compare(self, a: str, b: str = "") -> str:
        """Return the page that compares two images."""
        return f"{self._base}/compare?{urlencode({'a': a, **({'b': b} if b else {})})}"

    def _image(self, page: str, repository: str, reference: str, query: Mapping[str, str]) -> str:
        mark = "@" if ":" in reference else ":"
        path = f"{self._base}/{page}/{quote(repository)}{mark}{quote(reference, safe=':')}"
        return f"{path}?{urlencode(query)}" if query else path
