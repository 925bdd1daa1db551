"""
The JSON text of manifests: how deep it may be nested, and how text that is deeper is read.

A decoder gives up at a depth that depends on the stack of whoever calls it. So that what was taken
in once can be read everywhere and for ever, one fixed depth is required of everything taken in; of
what an older registry stored, only the parts above that depth are read.
"""

from __future__ import annotations

import re

from .errors import ManifestInvalid

#: How deep objects and arrays may be nested. An index with platforms has four levels.
MAX_DEPTH = 64

#: A string, closed or not: without a second look at any byte, whatever the text is.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
#: Text and strings in turn, so few that no other thread has to wait long for their end.
_RUN = re.compile(rb'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?){1,4096}+', re.DOTALL)

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]|[^"\[\]{}]++', re.DOTALL)

#: Escapes in strings. Only half of a surrogate pair, which alone is no character, has the group.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)
_UNREADABLE = rb"\ufffd"

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def require_text(payload: bytes) -> None:
    """
    Require that JSON text is UTF-8 throughout and not nested deeper than :data:`MAX_DEPTH`.

    Decoders look at neither in fields that they pass over.

    :raises ManifestInvalid: It is not.
    :see: RFC 8259, sections 8.1 and 9.
    """
    try:
        payload.decode()
    except UnicodeDecodeError as problem:
        raise ManifestInvalid(f"manifest does not parse: {problem.reason}, not UTF-8") from problem
    if is_deeper(payload, MAX_DEPTH):
        raise ManifestInvalid(f"manifest is nested deeper than {MAX_DEPTH} levels")


def is_deeper(payload: bytes, depth: int) -> bool:
    """Tell whether valid JSON text is nested deeper than a number of levels."""
    brackets = b"".join(
        _STRING.sub(b"", run[0]).translate(_BRACKETS, _NO_BRACKETS)
        for run in _RUN.finditer(payload)
    )
    # Each step takes away the innermost level of everything.
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def without_depths(payload: bytes) -> bytes:
    """Replace whatever is nested deeper than :data:`MAX_DEPTH` by ``null``."""
    # Not a list: there may be as many tokens as bytes.
    kept = bytearray()
    level = 0
    for match in _TOKEN.finditer(payload):
        token = match[0]
        if token in (b"[", b"{"):
            level += 1
            if level > MAX_DEPTH:
                kept += b"null" if level == MAX_DEPTH + 1 else b""
                continue
        elif token in (b"]", b"}"):
            level -= 1
            if level >= MAX_DEPTH:
                continue
        elif level > MAX_DEPTH:
            continue
        kept += token
    return bytes(kept)


def readable(payload: bytes) -> bytes:
    """
    Replace what is no text in JSON text by U+FFFD, as the decoder of registry:2 does.

    That is: bytes that are not UTF-8, and escapes of half a surrogate pair. registry:2 takes in
    both.

    :see: RFC 8259, sections 8.1 and 8.2.
    """
    text = payload.decode("utf-8", "replace").encode()
    # Not a substitution: it would keep a piece for each escape, of which there may be millions.
    kept, position = bytearray(), 0
    for match in _ESCAPE.finditer(text):
        if match[1]:
            kept += text[position : match.start()] + _UNREADABLE
            position = match.end()
    return bytes(kept + text[position:])
