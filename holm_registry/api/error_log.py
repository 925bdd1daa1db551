"""
How an error reads in the log.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec

from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import RegistryError

#: How many errors of one answer are logged, and how much of each message and detail, in characters.
_MAX_ERRORS = 5
_MAX_TEXT = 300


def log_error(request: StreamedRequest, error: RegistryError) -> None:
    """Log why a request is refused, with codes, messages and details."""
    # Any: mypy takes it for None, which it is before a request is handled.
    site: Any = request.site
    site.client_errors.log(request, error.status, _described(error))


def _described(error: RegistryError) -> str:
    return "; ".join(
        f"{entry.code}: {entry.message[:_MAX_TEXT]}{_detail(entry)}"
        for entry in islice(error.entries(), _MAX_ERRORS)
    )


def _detail(error: RegistryError) -> str:
    if error.detail is None:
        return ""
    return f" {msgspec.json.encode(error.detail).decode()[:_MAX_TEXT]}"
