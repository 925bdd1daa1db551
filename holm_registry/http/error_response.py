"""
Answers to what did not become a request that any route could see.

Those of a registry are worded as its other errors are, since its clients read them.

:see: OCI distribution-spec, "Error Codes".
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

import msgspec

from .default_headers import SAFE_HEADERS

#: What a request is called that has no more particular code.
UNKNOWN = "UNKNOWN"

CONTENT_TYPE = "application/json"

_CODES = {429: "TOOMANYREQUESTS", 501: "UNSUPPORTED", 503: "UNAVAILABLE"}


def error_body(status: int, message: str) -> bytes:
    """Write an error."""
    code = _CODES.get(status, UNKNOWN)
    return msgspec.json.encode({"errors": [{"code": code, "message": message}]})


class ErrorWriter(Protocol):
    """Writes the answers of a site to what none of its routes gets to see."""

    def answer(self, request: Any, status: int, message: str) -> None:
        """Answer a request whole; none of it was sent yet."""

    def content(self, status: int, message: str) -> tuple[str, bytes]:
        """Return the media type and body of an answer to what is no request at all."""


class RegistryErrors:
    """Writes errors as those of a registry."""

    def answer(self, request: Any, status: int, message: str) -> None:
        """Answer a request."""
        request.setResponseCode(status)
        content_type, body = self.content(status, message)
        request.set_header("Content-Type", content_type)
        request.set_header("Content-Length", str(len(body)))
        request.set_header("X-Request-Id", request.request_id)
        request.write(body)
        request.finish()

    def content(self, status: int, message: str) -> tuple[str, bytes]:
        """Return the media type and body of an error."""
        return CONTENT_TYPE, error_body(status, message)


REGISTRY_ERRORS = RegistryErrors()


def last_answer(
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    errors: ErrorWriter = REGISTRY_ERRORS,
) -> bytes:
    """Write a whole answer, headers and all, after which the connection closes."""
    content_type, body = errors.content(status, message)
    lines = {
        "Date": formatdate(usegmt=True),
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        **SAFE_HEADERS,
        **(headers or {}),
        "Connection": "close",
    }
    reason = HTTPStatus(status).phrase
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("ascii") + body
