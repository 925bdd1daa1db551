"""
Several ranges of one object in one answer.

:see: RFC 9110, sections 14.6 and 15.3.7.2; RFC 2046, section 5.1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from attrs import frozen


@frozen
class MultipartPiece:
    """
    Part of an answer: some text, and bytes of an object behind it.

    :ivar text: Sent first; may be empty.
    :ivar start: Where the bytes of the object begin.
    :ivar stop: Where they end; the same where there are none.
    """

    text: bytes
    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes it has, with its text."""
        return len(self.text) + self.stop - self.start


@frozen
class ByteRanges:
    """
    A body of media type ``multipart/byteranges``.

    :ivar content_type: Its media type, with the boundary between its parts.
    """

    content_type: str
    pieces: tuple[MultipartPiece, ...]


def byte_ranges(
    ranges: Sequence[tuple[int, int]], size_bytes: int, content_type: str
) -> ByteRanges:
    """
    Lay out a body of several ranges, in their order.

    :param ranges: The start and the stop of each.
    :param size_bytes: How many bytes the object has.
    :param content_type: What the object is.
    """
    # Random, so that pushed content cannot hold the boundary.
    boundary = os.urandom(16).hex()
    pieces = []
    opening = f"--{boundary}\r\nContent-Type: {content_type}\r\n"
    for start, stop in ranges:
        text = f"{opening}Content-Range: bytes {start}-{stop - 1}/{size_bytes}\r\n\r\n"
        pieces.append(MultipartPiece(text.encode("ascii"), start, stop))
        opening = f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
    pieces.append(MultipartPiece(f"\r\n--{boundary}--\r\n".encode("ascii"), 0, 0))
    return ByteRanges(f"multipart/byteranges; boundary={boundary}", tuple(pieces))
