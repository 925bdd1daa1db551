"""
What a request is for: the target on its first line, and its ``Host``.

:see: RFC 9112, section 3.2; RFC 3986, section 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen

_NAME = rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_ADDRESS = rb"\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\]"
_HOST = re.compile(rb"(?:%b|%b)(?::[0-9]*)?" % (_ADDRESS, _NAME))
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)


class TargetInvalid(Exception):
    """A request whose target or ``Host`` no server may guess; the text says why."""


@frozen
class RequestTarget:
    """
    :ivar path: What is asked for: a path with its query, or ``*``.
    :ivar host: Whom it is asked of, where the target itself says so and not ``Host``.
    """

    path: bytes
    host: bytes | None = None


def parse_target(method: bytes, text: bytes) -> RequestTarget:
    """
    Read a request's target, of any of the four forms.

    A proxy's (``http://host/path``) is taken for the path at that host. That of ``CONNECT`` is no
    path: it is left as it is; the method is refused later.

    :raises TargetInvalid: It is of none of them, or of the wrong one for its method.
    """
    if text[:1] == b"/":
        return RequestTarget(text)
    if method == b"CONNECT":
        return RequestTarget(b"/")
    if text == b"*" and method == b"OPTIONS":
        return RequestTarget(text)
    match = _ABSOLUTE.fullmatch(text)
    if match is None:
        raise TargetInvalid("the target of a request must begin with a slash")
    host, path = match.groups()
    if not is_host(host) or host[:1] in (b"", b":"):
        raise TargetInvalid("the target of the request names no valid host")
    if path[:1] != b"/":
        path = b"*" if method == b"OPTIONS" and not path else b"/" + path
    return RequestTarget(path, host)


def require_host(version: bytes, hosts: Sequence[bytes]) -> None:
    """
    Require that a request has the ``Host`` that it must have; before HTTP/1.1 it may have none.

    :raises TargetInvalid: It has none, two, or one that is no host.
    """
    if len(hosts) == 1:
        if not is_host(hosts[0]):
            raise TargetInvalid("the Host header is no valid host")
    elif hosts:
        raise TargetInvalid("a request must have one Host header, not several")
    elif version != b"HTTP/1.0":
        raise TargetInvalid("a request must have a Host header")


@lru_cache(maxsize=256)
def is_host(text: bytes) -> bool:
    """Return whether this is a host, with or without its port. An empty one is valid too."""
    return _HOST.fullmatch(text) is not None
