"""
The fields of a request and of its answer, as text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property

from twisted.web.server import Request

from holm_registry.oci.numbers import parse_decimal

from .default_headers import restore, snapshot

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class FieldsRequest(Request):
    """
    A request with accessors for its headers and query parameters, and for the answer's headers.
    """

    _saved_headers: Mapping[bytes, list[bytes]] = {}

    @cached_property
    def request_id(self) -> str:
        """A name for this request in logs and answers: a proxy's, if it has given it a sane one."""
        given = self.header("X-Request-Id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return os.urandom(16).hex()

    def header(self, name: str) -> str | None:
        """Return the last header of a name, as text; what is no UTF-8 is replaced."""
        values = self.requestHeaders.getRawHeaders(name.encode())
        return values[-1].decode("utf-8", "replace") if values else None

    def header_values(self, name: str) -> list[str]:
        """Return all headers of a name, as text: an empty list for none."""
        # By bytes: asked for a text, Headers would decode strictly.
        values = self.requestHeaders.getRawHeaders(name.encode())
        return [value.decode("utf-8", "replace") for value in values] if values else []

    def argument(self, name: str) -> str | None:
        """Return the first query parameter of a name, as text; what is no UTF-8 is replaced."""
        values = self.args.get(name.encode())
        return values[0].decode("utf-8", "replace") if values else None

    def arguments(self, name: str) -> list[str]:
        """Return all query parameters of a name."""
        return [value.decode("utf-8", "replace") for value in self.args.get(name.encode(), [])]

    @property
    def content_length(self) -> int | None:
        """The length that the client declared, in bytes; None if it sends chunks, or nothing."""
        return parse_decimal(self.header("Content-Length") or "")

    def set_header(self, name: str, value: str) -> None:
        """Set a header of the answer."""
        self.responseHeaders.setRawHeaders(name, [value])

    def vary(self, name: str) -> None:
        """Note that the answer, an error too, depends on a header of the request."""
        names = [*self.responseHeaders.getRawHeaders("Vary", []), name]
        self.set_header("Vary", ", ".join(names))
        self._saved_headers = {**self._saved_headers, b"Vary": [", ".join(names).encode()]}

    def save_headers(self) -> None:
        """Note that the headers set so far belong to every answer, errors too."""
        self._saved_headers = snapshot(self)

    def reset_headers(self) -> None:
        """
        Forget the answer that was about to be sent, for an error in its place.

        What was said of the other one (its length, type, digest, how long to keep it) is not true
        of the error.
        """
        restore(self, self._saved_headers)
