"""
Bodies in chunks.

:see: RFC 9112 section 7.1.
"""

from __future__ import annotations

import re

#: The longest size line, extensions included, in bytes, and the longest trailer section.
MAX_LINE_BYTES = 256
MAX_TRAILER_BYTES = 8 * 1024

# Extensions mean nothing to us; still, no byte may stand in them that ends a line for others.
_LINE = rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*+)?\r\n"
_FIRST = re.compile(_LINE)
#: The end of a chunk's data, and the size of the next chunk.
_NEXT = re.compile(rb"\r\n" + _LINE)

_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")


class ChunksInvalid(Exception):
    """
    The text of chunks breaks the grammar; the message says how.

    :ivar body: The part of the body that came before.
    """

    body = b""


class ChunkDecoder:
    """
    Takes the chunks apart as they arrive: in one pass, whatever their sizes are.

    What a chunk costs is a fraction of a microsecond, and all that one piece of the network brought
    becomes one piece of body: 2-byte chunks cost neither time nor memory out of proportion.

    :ivar complete: Whether the body has ended, trailers included.
    :ivar count: How many chunks there were.
    """

    def __init__(self) -> None:
        self.complete = False
        self.count = 0
        self._line = _FIRST
        self._left = 0
        self._held = b""
        self._in_trailer = False
        self._trailer_bytes = 0

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """
        Take in what arrived.

        :return: The part of the body in it; and, once complete, what follows the body.
        :raises ChunksInvalid: It is no such text, or its lines are too long.
        """
        if self._held:
            data, self._held = self._held + data, b""
        body: list[bytes] = []
        try:
            position = 0 if self._in_trailer else self._chunks(data, body)
            rest = self._trailer(data, position) if self._in_trailer else b""
        except ChunksInvalid as problem:
            problem.body = b"".join(body)
            raise
        return body[0] if len(body) == 1 else b"".join(body), rest

    def _chunks(self, data: bytes, body: list[bytes]) -> int:
        """Take the data of chunks, up to the last chunk or the end of what arrived."""
        line, left, position, end = self._line, self._left, 0, len(data)
        count = 0
        while True:
            if left:
                stop = position + left
                stop = min(stop, end)
                body.append(data[position:stop])
                left -= stop - position
                position = stop
                if left:
                    break
                line = _NEXT
            match = line.match(data, position)
            if match is None:
                self._hold(data, position, line)
                break
            position = match.end()
            if position - match.start() > MAX_LINE_BYTES:
                raise ChunksInvalid("a chunk's size line is too long")
            left = int(match[1], 16)
            count += 1
            if not left:
                self._in_trailer = True
                break
        self._line, self._left = line, left
        self.count += count
        return position

    def _hold(self, data: bytes, position: int, line: re.Pattern[bytes]) -> None:
        """Keep the beginning of a size line, unless it cannot become one."""
        held = data[position:]
        if len(held) > MAX_LINE_BYTES:
            raise ChunksInvalid("a chunk's size line is too long")
        end = b"\r\n" if line is _NEXT else b""
        if len(held) <= len(end):
            is_beginning = end.startswith(held)
        else:
            is_beginning = line.fullmatch(_completed(held)) is not None
        if not is_beginning:
            raise ChunksInvalid("a chunk's size or end is not where it should be")
        self._held = held

    def _trailer(self, data: bytes, position: int) -> bytes:
        """Pass over the fields of the trailer section, one line at a time; give what follows it."""
        while (stop := data.find(b"\r\n", position)) >= 0:
            field = data[position:stop]
            self._count_trailer(len(field))
            position = stop + 2
            if not field:
                self.complete = True
                return data[position:]
            if not _FIELD.fullmatch(field):
                raise ChunksInvalid("a trailer is no header field")
        self._held = data[position:]
        if len(self._held) + self._trailer_bytes > MAX_TRAILER_BYTES:
            raise ChunksInvalid("the trailers are too long")
        return b""

    def _count_trailer(self, size: int) -> None:
        self._trailer_bytes += size + 2
        if self._trailer_bytes > MAX_TRAILER_BYTES:
            raise ChunksInvalid("the trailers are too long")


def _completed(held: bytes) -> bytes:
    """Put an end to the beginning of a size line."""
    if held.endswith(b"\r"):
        return held + b"\n"
    if held[-1:] in b" \t" and b";" not in held:
        return held + b";\r\n"
    return held + b"\r\n"
