"""
Byte ranges: the ``Range`` of a pull and the ``Content-Range`` of a chunk.

:see: RFC 9110 section 14; OCI distribution-spec, "Pushing a blob in chunks".
"""

from __future__ import annotations

import re

from attrs import frozen

from .errors import RangeInvalid

_RANGE = re.compile(r"\s*bytes\s*=\s*(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))\s*", re.IGNORECASE)
_CHUNK = re.compile(r"\s*(?:bytes\s+)?(\d{1,19})-(\d{1,19})(?:/(?:\d{1,19}|\*))?\s*")


@frozen
class ByteRange:
    """Bytes from ``start`` up to, and not with, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.stop - self.start


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """
    Read a ``Range`` header for content of a known size.

    :return: The range to serve, or None for all of it: no header, another unit, or several
        ranges (which a server may answer whole).
    :raises RangeInvalid: It is one range of bytes and no byte of the content lies in it.
    """
    if header is None or "," in header or not header.strip().lower().startswith("bytes"):
        return None
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(0, size_bytes - int(suffix)), size_bytes
    else:
        start = int(first)
        stop = min(int(last) + 1, size_bytes) if last else size_bytes
    if start >= stop:
        raise RangeInvalid(
            "range not satisfiable",
            detail={"range": header},
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return ByteRange(start, stop)


def parse_chunk_range(header: str | None) -> ByteRange | None:
    """
    Read the ``Content-Range`` of an uploaded chunk, ``<start>-<end>`` with both ends in it.

    :raises RangeInvalid: It does not parse or runs backwards.
    """
    if header is None:
        return None
    match = _CHUNK.fullmatch(header)
    if match is None or int(match[2]) < int(match[1]):
        raise RangeInvalid("invalid Content-Range", detail={"content-range": header[:200]})
    return ByteRange(int(match[1]), int(match[2]) + 1)


def upload_range(size_bytes: int) -> str:
    """Write how far an upload got, as registry:2 does: ``0-0`` for an empty one too."""
    return f"0-{max(0, size_bytes - 1)}"
