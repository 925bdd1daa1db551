"""
Content negotiation and conditional requests: ``Accept``, ``If-Match`` and ``If-None-Match``.

:see: RFC 9110 sections 12.5.1, 13.1.1 and 13.1.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_etags, parse_list_header, parse_options_header

from .digest import Digest
from .errors import RegistryError

#: A number from 0 to 1, of any length; also without digits before or after the point.
_WEIGHT = re.compile(r"0?\.[0-9]+|0\.?|1(?:\.0*)?")


def accepts(headers: Iterable[str], media_type: str) -> bool:
    """
    Return whether ``Accept`` headers allow a media type; without any, all types are allowed.

    The most specific media range decides. A quality value of zero means "not acceptable"; other
    values are ignored, and so are parameters of media ranges, because manifest types have none.
    """
    return _accepts(",".join(headers), media_type)


@lru_cache(maxsize=64)
def _accepts(text: str, media_type: str) -> bool:
    media_ranges = MIMEAccept(_media_ranges(text))
    return not media_ranges or media_ranges.quality(media_type) > 0


def _media_ranges(text: str) -> Iterator[tuple[str, float]]:
    """Return the media ranges with their quality values; ignore those that are not valid."""
    for item in parse_list_header(text):
        name, parameters = parse_options_header(item)
        # Java's HTTP client sends ``*`` for ``*/*``.
        media_range = "*/*" if name == "*" else name
        weight = _WEIGHT.fullmatch(parameters.get("q", "1").strip())
        if "/" in media_range and weight is not None:
            yield media_range, float(weight[0])


def is_not_modified(headers: Sequence[str], digest: Digest) -> bool:
    """Return whether ``If-None-Match`` names this digest, quoted (as the RFC requires) or not."""
    return bool(headers) and parse_etags(_join(headers)).contains_weak(str(digest))


def require_if_match(headers: Sequence[str], digest: Digest) -> None:
    """
    Require that ``If-Match``, if the request has one, names this digest.

    :raises RegistryError: The header names only other digests (412).
    """
    if headers and not parse_etags(_join(headers)).contains(str(digest)):
        raise RegistryError(f"If-Match does not name {digest}", status=412)


def _join(headers: Iterable[str]) -> str:
    return ",".join(headers).strip(" \t")
