"""
Conditions that clients put on answers: ``Accept`` and ``If-None-Match``.

:see: RFC 9110 sections 12.5.1 and 13.1.2.
"""

from __future__ import annotations

from collections.abc import Iterable

from .digest import Digest
from .mediatypes import bare


def accepts(headers: Iterable[str], media_type: str) -> bool:
    """
    Tell whether ``Accept`` headers admit a media type; none at all admits everything.

    Quality values only rank what is acceptable and are passed over, save ``q=0``.
    """
    ranges = [part for header in headers for part in header.split(",") if part.strip()]
    family = media_type.partition("/")[0]
    wanted = {bare(part) for part in ranges if "q=0" not in part.replace(" ", "").split(";")}
    return not ranges or not wanted.isdisjoint({media_type, f"{family}/*", "*/*"})


def matches(header: str | None, digest: Digest) -> bool:
    """Tell whether ``If-None-Match`` names this digest, quoted (as it should be) or not."""
    if header is None:
        return False
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return any(tag in ("*", str(digest)) for tag in tags)
