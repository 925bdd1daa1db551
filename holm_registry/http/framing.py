"""
Where the body of a request ends.

:see: RFC 9112 sections 6.1 and 6.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from holm_registry.oci.numbers import parse_decimal


class FramingInvalid(Exception):
    """
    A request whose end cannot be told without doubt; the message says why.

    :ivar status: 400, or 501 for a transfer coding that is not known here.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def body_length(version: bytes, lengths: Sequence[bytes], codings: Sequence[bytes]) -> int | None:
    """
    Return how long a request's body is, in bytes; None for one in chunks.

    Whatever two programs could read in two ways is refused, also where the RFC would allow to
    choose: a proxy in front may have chosen otherwise.

    :param lengths: The lines of ``Content-Length``.
    :param codings: The lines of ``Transfer-Encoding``.
    :raises FramingInvalid: It cannot be told.
    """
    if codings:
        _require_chunked(version, b",".join(codings))
        if lengths:
            raise FramingInvalid("both Content-Length and Transfer-Encoding")
        return None
    if not lengths:
        return 0
    length = parse_decimal(lengths[0]) if len(lengths) == 1 else None
    if length is None:
        raise FramingInvalid("Content-Length is not one number of bytes")
    return length


def _require_chunked(version: bytes, line: bytes) -> None:
    names = [name.strip(b" \t").lower() for name in line.split(b",")]
    names = [name for name in names if name]
    if any(name != b"chunked" for name in names):
        raise FramingInvalid("the only transfer coding known here is chunked", 501)
    if len(names) != 1:
        raise FramingInvalid("Transfer-Encoding must name chunked, once")
    if version != b"HTTP/1.1":
        raise FramingInvalid("Transfer-Encoding does not exist before HTTP/1.1")
