from __future__ import annotations

import msgspec

from .request import StreamedRequest


def json_body(
    request: StreamedRequest, value: object, content_type: str = "application/json"
) -> bytes:
    """Return a value as JSON and set the headers that belong to it."""
    body = msgspec.json.encode(value)
    request.set_header("Content-Type", content_type)
    request.set_header("Content-Length", str(len(body)))
    return body


def empty_body(request: StreamedRequest) -> bytes:
    """Return no body and say so."""
    request.set_header("Content-Length", "0")
    return b""
