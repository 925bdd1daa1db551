"""
The JSON text of manifests: its encoding and its depth of nesting.

A JSON decoder fails at a depth that depends on the stack of its caller. A fixed maximum for pushed
manifests ensures that each stored manifest can be decoded everywhere. Manifests that an older
registry stored may be deeper: only the levels up to the maximum are decoded.
"""

from __future__ import annotations

import re

from .errors import ManifestInvalid

#: The maximum depth of objects and arrays. An index with platforms has four levels.
MAX_DEPTH = 64

#: A string, closed or not. Possessive quantifiers: no byte is matched twice (no backtracking).
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
#: A limited number of strings and the text between them: a match holds the interpreter lock.
_RUN = re.compile(rb'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?){1,4096}+', re.DOTALL)

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]|[^"\[\]{}]++', re.DOTALL)

#: Escapes in strings. The group matches an unpaired surrogate, which is not a character.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def require_utf8_and_depth(payload: bytes) -> None:
    """
    Require that JSON text is UTF-8 and not nested deeper than :data:`MAX_DEPTH`.

    Decoders check neither in fields that they skip.

    :raises ManifestInvalid: The text is not UTF-8, or nested deeper.
    :see: RFC 8259, sections 8.1 and 9.
    """
    try:
        payload.decode()
    except UnicodeDecodeError as problem:
        raise ManifestInvalid(f"manifest is not UTF-8: {problem.reason}") from problem
    if is_nested_deeper(payload, MAX_DEPTH):
        raise ManifestInvalid(f"manifest is nested deeper than {MAX_DEPTH} levels")


def is_nested_deeper(payload: bytes, depth: int) -> bool:
    """Return whether valid JSON text has more levels of nesting than ``depth``."""
    brackets = b"".join(
        _STRING.sub(b"", run[0]).translate(_BRACKETS, _NO_BRACKETS)
        for run in _RUN.finditer(payload)
    )
    # Each step removes the innermost level.
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def truncate_nesting(payload: bytes) -> bytes:
    """Replace values that are nested deeper than :data:`MAX_DEPTH` by ``null``."""
    # A bytearray, not a list: there may be as many tokens as bytes.
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


def replace_invalid_text(payload: bytes) -> bytes:
    """
    Replace bytes that are not UTF-8, and escapes of unpaired surrogates, by U+FFFD.

    registry:2 accepts both in manifests, and its decoder replaces them in the same way.

    :see: RFC 8259, sections 8.1 and 8.2.
    """
    text = payload.decode("utf-8", "replace").encode()
    # re.sub would hold an object for each escape, of which there may be millions.
    kept, position = bytearray(), 0
    for match in _ESCAPE.finditer(text):
        if match[1]:
            kept += text[position : match.start()] + _REPLACEMENT
            position = match.end()
    return bytes(kept + text[position:])
