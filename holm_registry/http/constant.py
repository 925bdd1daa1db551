from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.web.http_headers import Headers

from .request import StreamedRequest


class ConstantHeaders:
    """
    Headers that every answer has, made ready once.

    Twisted encodes and cleans each value whenever it is set: a tenth of the work of a small
    request, for what never changes. This alone knows how its headers are kept.
    """

    def __init__(self, headers: Iterable[tuple[str, Sequence[str]]]) -> None:
        made = Headers()
        for name, values in headers:
            made.setRawHeaders(name, values)
        self._ready = dict(made._rawHeaders)  # noqa: SLF001 - see above

    def put_on(self, request: StreamedRequest) -> None:
        """Set them."""
        kept = request.responseHeaders._rawHeaders  # noqa: SLF001 - see above
        for name, values in self._ready.items():
            kept[name] = values.copy()
