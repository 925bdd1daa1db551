"""
Byte ranges: the ``Range`` of a pull and the ``Content-Range`` of a chunk.

:see: RFC 9110 section 14; OCI distribution-spec, "Pushing a blob in chunks".
"""

from __future__ import annotations

import re
from itertools import pairwise

from attrs import frozen

from .errors import RangeInvalid

#: How many ranges are sent at once: as many as clients ask for that pull layers in parts
#: (containers/storage asks for 1024 at the most). More are answered with everything.
MAX_RANGES = 1024

_SPEC = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)")
_CHUNK = re.compile(r"\s*(?:bytes\s+)?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]{1,19}|\*))?\s*")

#: Beyond the end of anything that can be stored.
_BEYOND = 10**19


@frozen
class ByteRange:
    """Bytes from ``start`` up to, and not with, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.stop - self.start


def parse_ranges(header: str | None, size_bytes: int) -> tuple[ByteRange, ...]:
    """
    Read a ``Range`` header for content of a known size.

    :return: What to serve, in the order asked for; nothing for all of it: no header, another unit,
        what does not parse, too many ranges, or some that overlap.
    :raises RangeInvalid: It asks for bytes, and none of them lies in the content.
    """
    specs = _specs(header)
    if not specs or len(specs) > MAX_RANGES:
        return ()
    ranges = [_byte_range(spec, size_bytes) for spec in specs]
    found = [each for each in ranges if each.length > 0]
    if not found:
        raise RangeInvalid(
            "range not satisfiable",
            detail={"range": (header or "")[:200]},
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return () if _overlap(found) else tuple(found)


def _specs(header: str | None) -> list[re.Match[str]]:
    """Take a header apart; give nothing if any part of it is no range of bytes."""
    unit, _, text = (header or "").partition("=")
    if unit.strip(" \t").lower() != "bytes":
        return []
    # A list may have empty elements.
    parts = [part for each in text.split(",") if (part := each.strip(" \t"))]
    matches = [_SPEC.fullmatch(part) for part in parts]
    found = [match for match in matches if match is not None]
    backwards = any(match[2] and _number(match[2]) < _number(match[1]) for match in found)
    # One range that runs backwards holds no byte; among others it makes the header invalid.
    invalid = len(found) < len(parts) or (backwards and len(parts) > 1)
    return [] if invalid else found


def _byte_range(spec: re.Match[str], size_bytes: int) -> ByteRange:
    first, last, suffix = spec.groups()
    if suffix is not None:
        return ByteRange(max(0, size_bytes - _number(suffix)), size_bytes)
    stop = min(_number(last) + 1, size_bytes) if last else size_bytes
    return ByteRange(_number(first), stop)


def _number(text: str) -> int:
    """Read a number of any length: Python reads none of more than some thousand digits."""
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= 19 else _BEYOND


def _overlap(ranges: list[ByteRange]) -> bool:
    ordered = sorted(ranges, key=lambda each: each.start)
    return any(after.start < before.stop for before, after in pairwise(ordered))


def parse_chunk_range(header: str | None, start: int) -> ByteRange | None:
    """
    Read the ``Content-Range`` of an uploaded chunk, ``<start>-<end>`` with both ends in it.

    :param start: Where it has to begin: the size of what was uploaded, in bytes.
    :return: None if there is none; an empty one, as some clients send, is none.
    :raises RangeInvalid: It does not parse, runs backwards, or begins elsewhere.
    """
    if not header:
        return None
    match = _CHUNK.fullmatch(header)
    if match is None or int(match[2]) < int(match[1]):
        raise RangeInvalid("invalid Content-Range", detail={"content-range": header[:200]})
    if int(match[1]) != start:
        raise RangeInvalid(f"chunk begins at {int(match[1])}, expected {start}")
    return ByteRange(int(match[1]), int(match[2]) + 1)


def upload_range(size_bytes: int) -> str:
    """Write how far an upload got, as registry:2 does: ``0-0`` for an empty one too."""
    return f"0-{max(0, size_bytes - 1)}"
