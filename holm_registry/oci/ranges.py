"""
Byte ranges: the ``Range`` of a pull and the ``Content-Range`` of a chunk.

``werkzeug.http.parse_range_header`` is not used: it refuses ranges out of order and empty list
elements, which RFC 9110 allows (sections 14.1.1 and 5.6.1), and answers a suffix of zero bytes as
if it was not there. Its ``parse_content_range_header`` needs a unit and a length, which the
distribution-spec leaves out.

:see: RFC 9110 section 14; OCI distribution-spec, "Pushing a blob in chunks".
"""

from __future__ import annotations

import re
from itertools import pairwise

from attrs import frozen

from .errors import RangeInvalid

#: The maximum number of ranges in a response: the most that clients ask for when they pull parts of
#: layers (containers/storage). A request for more gets the whole content.
MAX_RANGES = 1024

_SPEC = re.compile(r"([0-9]+)-([0-9]*)|-([0-9]+)")
_CONTENT_RANGE = re.compile(
    r"\s*(?:bytes\s+)?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]{1,19}|\*))?\s*"
)

#: Larger than any content that can be stored.
_TOO_LARGE = 10**19


@frozen
class ByteRange:
    """The bytes from ``start`` up to, but not including, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.stop - self.start


def parse_ranges(header: str | None, size_bytes: int) -> tuple[ByteRange, ...]:
    """
    Parse a ``Range`` header.

    :param size_bytes: The size of the content.
    :return: The ranges to send, in the order of the header. Empty for the whole content: no header,
        another unit, an invalid header, too many ranges, or overlapping ranges.
    :raises RangeInvalid: No requested byte lies in the content.
    """
    specs = _parse_specs(header)
    if not specs or len(specs) > MAX_RANGES:
        return ()
    ranges = [_byte_range(spec, size_bytes) for spec in specs]
    satisfiable = [byte_range for byte_range in ranges if byte_range.length > 0]
    if not satisfiable:
        raise RangeInvalid(
            "range not satisfiable",
            detail={"range": (header or "")[:200]},
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return () if _do_overlap(satisfiable) else tuple(satisfiable)


def _parse_specs(header: str | None) -> list[re.Match[str]]:
    """Return the ranges of a header; none if any part of it is not a byte range."""
    unit, _, text = (header or "").partition("=")
    if unit.strip(" \t").lower() != "bytes":
        return []
    # A list may have empty elements.
    parts = [part for element in text.split(",") if (part := element.strip(" \t"))]
    matches = [_SPEC.fullmatch(part) for part in parts]
    specs = [match for match in matches if match is not None]
    has_reversed = any(spec[2] and _number(spec[2]) < _number(spec[1]) for spec in specs)
    # A single range whose end is before its start is not satisfiable; in a list it is invalid.
    is_invalid = len(specs) < len(parts) or (has_reversed and len(parts) > 1)
    return [] if is_invalid else specs


def _byte_range(spec: re.Match[str], size_bytes: int) -> ByteRange:
    first, last, suffix = spec.groups()
    if suffix is not None:
        return ByteRange(max(0, size_bytes - _number(suffix)), size_bytes)
    stop = min(_number(last) + 1, size_bytes) if last else size_bytes
    return ByteRange(_number(first), stop)


def _number(text: str) -> int:
    """Parse a number of any length: Python refuses to parse thousands of digits."""
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= 19 else _TOO_LARGE


def _do_overlap(ranges: list[ByteRange]) -> bool:
    ordered = sorted(ranges, key=lambda byte_range: byte_range.start)
    return any(following.start < previous.stop for previous, following in pairwise(ordered))


def parse_chunk_range(header: str | None, start: int) -> ByteRange | None:
    """
    Parse the ``Content-Range`` of an uploaded chunk, ``<start>-<end>``, both inclusive.

    :param start: The required start: the number of bytes uploaded so far.
    :return: None without the header, or if it is empty, as some clients send it.
    :raises RangeInvalid: The header is not valid, or the chunk starts at another offset.
    """
    if not header:
        return None
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None or int(match[2]) < int(match[1]):
        raise RangeInvalid("invalid Content-Range", detail={"content-range": header[:200]})
    if int(match[1]) != start:
        raise RangeInvalid(f"chunk begins at {int(match[1])}, expected {start}")
    return ByteRange(int(match[1]), int(match[2]) + 1)


def format_upload_range(size_bytes: int) -> str:
    """Return the ``Range`` of an upload, as registry:2 does: ``0-0`` for an empty one too."""
    return f"0-{max(0, size_bytes - 1)}"
