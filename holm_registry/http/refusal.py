"""
Answers to what did not become a request that any route could see.

They are worded as the errors of a registry are, since it is clients of registries that read them.

:see: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

import msgspec

from .constant import SAFE_HEADERS

#: What a request is called that has no more particular code.
UNKNOWN = "UNKNOWN"

CONTENT_TYPE = "application/json"

_CODES = {429: "TOOMANYREQUESTS", 501: "UNSUPPORTED", 503: "UNAVAILABLE"}


def error_body(status: int, message: str) -> bytes:
    """Write an error."""
    code = _CODES.get(status, UNKNOWN)
    return msgspec.json.encode({"errors": [{"code": code, "message": message}]})


def last_answer(status: int, message: str, headers: dict[str, str] | None = None) -> bytes:
    """Write a whole answer, headers and all, after which the connection closes."""
    body = error_body(status, message)
    lines = {
        "Date": formatdate(usegmt=True),
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        **SAFE_HEADERS,
        **(headers or {}),
        "Connection": "close",
    }
    reason = HTTPStatus(status).phrase
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("ascii") + body
