"""
Conditions that clients put on answers: ``Accept``, ``If-Match`` and ``If-None-Match``.

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

#: A number from 0 to 1, of any length; also those that only some clients write.
_WEIGHT = re.compile(r"0?\.[0-9]+|0\.?|1(?:\.0*)?")


def accepts(headers: Iterable[str], media_type: str) -> bool:
    """
    Tell whether ``Accept`` headers admit a media type; none at all admits everything.

    The most particular range decides. Quality values only rank what is acceptable and are passed
    over, save those of zero; parameters of media ranges, which no manifest's type has, are too.
    """
    return _accepts(",".join(headers), media_type)


@lru_cache(maxsize=64)
def _accepts(text: str, media_type: str) -> bool:
    wanted = MIMEAccept(_media_ranges(text))
    return not wanted or wanted.quality(media_type) > 0


def _media_ranges(text: str) -> Iterator[tuple[str, float]]:
    """Give media ranges with their quality values; what is neither is passed over."""
    for item in parse_list_header(text):
        name, parameters = parse_options_header(item)
        # Java says ``*`` for ``*/*``.
        media_range = "*/*" if name == "*" else name
        weight = _WEIGHT.fullmatch(parameters.get("q", "1").strip())
        if "/" in media_range and weight is not None:
            yield media_range, float(weight[0])


def matches(headers: Sequence[str], digest: Digest) -> bool:
    """Tell whether ``If-None-Match`` names this digest, quoted (as it should be) or not."""
    return bool(headers) and parse_etags(_joined(headers)).contains_weak(str(digest))


def require_match(headers: Sequence[str], digest: Digest) -> None:
    """
    Require that ``If-Match``, if there is one, names this digest.

    :raises RegistryError: It names only others (412).
    """
    if headers and not parse_etags(_joined(headers)).contains(str(digest)):
        raise RegistryError(f"If-Match does not name {digest}", status=412)


def _joined(headers: Iterable[str]) -> str:
    return ",".join(headers).strip(" \t")
