from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from twisted.web.http_headers import Headers


class _Answering(Protocol):
    """A request, as far as this file knows it."""

    responseHeaders: Any


class DefaultHeaders:
    """
    Headers that every answer has, made ready once.

    Twisted encodes and cleans each value whenever it is set: a tenth of the work of a small
    request, for what never changes. This file alone knows how its headers are kept.
    """

    def __init__(self, headers: Iterable[tuple[str, Sequence[str]]]) -> None:
        made = Headers()
        for name, values in headers:
            made.setRawHeaders(name, values)
        self._ready = dict(made._rawHeaders)  # noqa: SLF001 - see above

    def apply(self, request: _Answering) -> None:
        """Set them."""
        kept = request.responseHeaders._rawHeaders  # noqa: SLF001 - see above
        for name, values in self._ready.items():
            kept[name] = values.copy()


def snapshot(request: _Answering) -> Mapping[bytes, list[bytes]]:
    """Return the headers that an answer has so far, for :func:`restore`."""
    return dict(request.responseHeaders._rawHeaders)  # noqa: SLF001 - see above


def restore(request: _Answering, headers: Mapping[bytes, list[bytes]]) -> None:
    """Give an answer the headers that it had when a snapshot was made, and no others."""
    kept = request.responseHeaders._rawHeaders  # noqa: SLF001 - see above
    kept.clear()
    kept.update((name, values.copy()) for name, values in headers.items())


#: Content comes from the clients that pushed it: a browser may show it, and must not run it.
SAFE_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
