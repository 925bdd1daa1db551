"""Which headers the code reads, and bytes to put into them."""

from __future__ import annotations

import ast
import base64
from pathlib import Path

import holm_registry

#: What reads a header by its name, among the arguments.
READERS = {
    *("header", "header_values", "lines", "getRawHeaders", "getHeader", "getCookie"),
    *("_joined", "_entries", "_said", "_listed"),
}


def headers_read(*rooms: str) -> set[str]:
    """Give the names of all headers that some rooms of the registry read, in small letters."""
    root = Path(holm_registry.__file__).parent
    found: set[str] = set()
    for room in rooms:
        for path in (root / room).rglob("*.py"):
            found.update(_headers_in(path.read_text()))
    return found


def _headers_in(source: str):
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "getCookie":
            yield "cookie"
        elif name in READERS:
            for argument in node.args:
                value = getattr(argument, "value", None)
                if isinstance(value, str | bytes):
                    text = value if isinstance(value, str) else value.decode()
                    if text and text[0].isalpha():
                        yield text.lower()


def _basic(login: bytes) -> bytes:
    return b"Basic " + base64.b64encode(login)


_LONG = 15_000

#: Bytes that are no UTF-8, control bytes, nothing, far too much, and what looks nearly right.
VALUES = [
    *(b"", b" ", b"\t", b"\x80", b"\xff\xfe", b"\xe9", "é".encode(), b"\xc0\xaf", b"\xed\xa0\x80"),
    *(b"\x00", b"\x01\x7f", b"a\x0bb", b"\x85", b"\xa0", b"\xc2\xa0", "😀".encode(), b"\xf4\x90"),
    *("²".encode(), "٣".encode(), b"-1", b"0x10", b"1e9", b"9" * 400, b"1_0", b"+1", b"NaN"),
    *(b"a" * _LONG, b"," * _LONG, b'"' * _LONG, b";" * _LONG, b"=" * _LONG, b"<" * _LONG),
    *(b"Basic", b"Basic ", b"Basic \xe9", "Basic é".encode(), b"Basic \xff\xff", b"Basic ==="),
    *(b"Basic YQ", b"basic\tOg==", b"Basic Og== x", b"Basic \x00", b"Bearer", b"Bearer \xe9"),
    *(b"Bearer \xff.\xff.\xff", "Bearer é.é.é".encode(), b"Bearer a.b.c", b"Digest \xe9"),
    *(b"bytes=\xb2-", "bytes=²-".encode(), "bytes=٣-٣".encode(), b"bytes=-", b"bytes=,,,"),
    *(
        "٠-٣".encode(),
        b"bytes \xe9",
        b"0-\xb2",
        b'W/"\xe9',
        b"*\xe9",
        b"for=\xe9",
        b"[::",
        b"[\xe9]",
    ),
    *(b"http://\xe9", b"http://[", b"//", b"application/\xe9", b"a=\xe9; b", b"100-\xe9"),
    _basic(b"\xff\xfe:\xff"),
    _basic(b"reader:" + b"x" * 10_000),
    _basic(b"\x00:\x00"),
    _basic("é:é".encode()),
    _basic(b"reader:one\x00two"),
]
