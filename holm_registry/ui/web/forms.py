"""
What visitors send: queries of addresses, and forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from holm_registry.http.body import BodyTooLarge
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.media_types import without_parameters
from holm_registry.ui.errors import InvalidRequest

#: The largest form taken, in bytes, and how many fields it may have.
MAX_FORM_BYTES = 1024 * 1024
MAX_FORM_FIELDS = 20_000


class Form:
    """
    The fields of a form, or of an address's query.

    :param fields: All values of each name.
    """

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """Return a field; empty if there is none."""
        return (self._fields.get(name) or [""])[0].strip()

    def require(self, name: str) -> str:
        """
        Return a field that must be there.

        :raises InvalidRequest: It is missing or empty.
        """
        value = self.one(name)
        if not value:
            raise InvalidRequest(f"missing field: {name}")
        return value

    def all(self, name: str) -> list[str]:
        """Return all values of a field, each once."""
        values = (value.strip() for value in self._fields.get(name, []))
        return list(dict.fromkeys(value for value in values if value))


def query_of(request: StreamedRequest) -> Form:
    """Return the query of an address."""
    return Form(
        {
            name.decode("utf-8", "replace"): [value.decode("utf-8", "replace") for value in values]
            for name, values in request.args.items()
        }
    )


async def read_form(request: StreamedRequest) -> Form:
    """
    Read a form.

    :raises InvalidRequest: It is none, or too large.
    """
    content_type = without_parameters(request.header("Content-Type") or "")
    if content_type not in ("", "application/x-www-form-urlencoded"):
        raise InvalidRequest(
            f"expected a form (application/x-www-form-urlencoded), got {content_type}"
        )
    try:
        body = await request.body.read_all(MAX_FORM_BYTES)
        if body.count(b"&") >= MAX_FORM_FIELDS:
            raise InvalidRequest(f"a form may have {MAX_FORM_FIELDS:,} fields at the most")
        fields = parse_qs(body.decode(), keep_blank_values=True, errors="strict")
    except BodyTooLarge as problem:
        raise InvalidRequest(f"a form may have {MAX_FORM_BYTES:,} bytes at the most") from problem
    except UnicodeDecodeError as problem:
        raise InvalidRequest("the form is not UTF-8") from problem
    return Form(fields)
