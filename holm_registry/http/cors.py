"""
Which other sites' scripts may read answers.

:see: Fetch Standard, "HTTP extensions" (CORS).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from .request import StreamedRequest

_ANY = "*"
_PREFIX = "access-control-"
_ORIGIN = "access-control-allow-origin"
_CREDENTIALS = "access-control-allow-credentials"


def parse_origins(values: Sequence[str]) -> list[str]:
    """Read origins, several of which may be in one value, as browsers write them."""
    texts = [text for value in values for text in re.split(r"[\s,]+", value)]
    return list(dict.fromkeys(text.rstrip("/").lower() for text in texts if text))


class Cors:
    """
    The headers of every answer, with those for browsers as browsers want them.

    A browser takes one ``Access-Control-Allow-Origin``: where several origins are allowed, each is
    told of itself, and caches are told so. An answer that any site may read is never one to a
    request with a login that the browser adds by itself.

    :param headers: Names and values as they are configured.
    :ivar constant: What every answer has.
    """

    def __init__(self, headers: Mapping[str, Sequence[str]]) -> None:
        lowered = {name.lower(): values for name, values in headers.items()}
        self._origins = parse_origins(lowered.get(_ORIGIN, ()))
        self._has_choice = len(self._origins) > 1
        allowed = lowered.get(_CREDENTIALS, ())
        self._credentials = bool(allowed) and allowed[-1].strip().lower() == "true"
        self.constant = list(self._constant(headers))

    def _constant(self, headers: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
        for name, values in headers.items():
            lower = name.lower()
            if lower in (_ORIGIN, _CREDENTIALS, "vary") or not values:
                continue
            # Some programs read no more than the first line of a name.
            yield name, [", ".join(values)] if lower.startswith(_PREFIX) else list(values)
        vary = [each for name, each in headers.items() if name.lower() == "vary"]
        named = [*(vary[0] if vary else ()), *(["Origin"] if self._has_choice else ())]
        if named:
            yield "Vary", [", ".join(named)]
        if not self._has_choice:
            yield from self._allowing(self._origins[0]) if self._origins else ()

    def _allowing(self, origin: str) -> Iterator[tuple[str, list[str]]]:
        yield _ORIGIN, [origin]
        if self._credentials and origin != _ANY:
            yield _CREDENTIALS, ["true"]

    def apply(self, request: StreamedRequest) -> None:
        """Let the origin of a request read the answer, if it is one of several that may."""
        if not self._has_choice:
            return
        origin = (request.header("Origin") or "").lower()
        if origin not in self._origins:
            origin = _ANY
        if origin in self._origins:
            for name, (value,) in self._allowing(origin):
                request.set_header(name, value)
