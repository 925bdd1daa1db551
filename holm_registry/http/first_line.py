"""
The first line of a request: the version of HTTP that it speaks, and what of it may be logged.

:see: RFC 9110, sections 2.5 and 15.6.6; RFC 9112, section 2.3.
"""

from __future__ import annotations

import re

_SPOKEN = (b" HTTP/1.1", b" HTTP/1.0")
_NAMED = re.compile(rb"[A-Z]+ +(?:\*|/|https?://)[!-~]*(?: +HTTP/[!-~]*)?")
_LINE = re.compile(rb"([^ ]+ [^ ]+) HTTP/([0-9])\.[0-9]")


class VersionUnsupported(Exception):
    """A request of another major version of HTTP; the text says which are spoken here."""


def as_spoken(line: bytes) -> bytes:
    """
    Return a first line with a version that is spoken here.

    A later minor version is read as HTTP/1.1. What is no first line, or is one of HTTP/0.9, stays
    as it is, for its parser.

    :raises VersionUnsupported: It is of a later major version.
    """
    if line.endswith(_SPOKEN):
        return line
    match = _LINE.fullmatch(line)
    if match is None or match[2] == b"0":
        return line
    if match[2] != b"1":
        raise VersionUnsupported("supported versions: HTTP/1.0, HTTP/1.1")
    return match[1] + b" HTTP/1.1"


def loggable(line: bytes) -> bytes:
    """
    Return as much of a first line as names a method and a target; ``-`` where nothing does.

    Where the bounds of a request were wrong, what stands there may be part of a form with a
    password, or of a header with a login.
    """
    match = _NAMED.match(line)
    return b"-" if match is None else match[0]
