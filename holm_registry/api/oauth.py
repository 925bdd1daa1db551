"""
``POST /auth/token``: a token for a name and a password in a form, as OAuth 2 has it.

containerd and Helm try this before ``GET``.

:see: RFC 6749, 4.3 and 5; distribution, "Oauth2 Token Authentication".
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from holm_registry.http.body import BodyTooLarge
from holm_registry.http.request import StreamedRequest
from holm_registry.oci.errors import RegistryError
from holm_registry.oci.media_types import without_parameters

#: The largest form that is read, in bytes, and how many fields it may have.
MAX_FORM_BYTES = 64 * 1024
_MAX_FIELDS = 1000

_FORM = "application/x-www-form-urlencoded"


class OAuthError(RegistryError):
    """
    An error in the words of OAuth 2.

    :param error: A code of RFC 6749, 5.2.
    """

    def __init__(
        self,
        error: str,
        message: str,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            message,
            status=status,
            headers={"Cache-Control": "no-store", "Pragma": "no-cache", **(headers or {})},
        )
        self.code = error  # type: ignore[misc] # one class for all codes

    def document(self) -> dict[str, object]:
        """Return the answer's body, as RFC 6749, 5.2 has it."""
        return {"error": self.code, "error_description": self.message}


class TokenForm:
    """
    The fields of a request for a token.

    :param fields: All values of each name; each character is a byte.
    :ivar scopes: The texts of ``scope``, each of which may hold several scopes.
    """

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields
        self.scopes = fields.get("scope", [])

    def require(self, name: str) -> bytes:
        """
        Return a field that has to be there once.

        :raises OAuthError: It is missing, empty or repeated.
        """
        values = [value for value in self._fields.get(name, []) if value]
        if not values:
            raise OAuthError("invalid_request", f"missing parameter: {name}")
        if len(values) > 1:
            raise OAuthError("invalid_request", f"repeated parameter: {name}")
        return values[0].encode("latin-1")

    def require_password_grant(self) -> None:
        """
        Make sure that the form brings a name and a password.

        :raises OAuthError: It brings something else.
        """
        grant = self.require("grant_type")
        if grant == b"refresh_token":
            raise OAuthError(
                "invalid_grant",
                "this registry issues no refresh tokens; log in with a name and a password",
            )
        if grant != b"password":
            raise OAuthError("unsupported_grant_type", "grant_type has to be password")


async def read_token_form(request: StreamedRequest) -> TokenForm:
    """
    Read the form of a request for a token.

    :raises OAuthError: It is no form, or too large.
    """
    if without_parameters(request.header("Content-Type") or "") != _FORM:
        raise OAuthError("invalid_request", f"expected a form ({_FORM})")
    try:
        body = await request.body.read_all(MAX_FORM_BYTES)
        # Latin-1 has a character for each byte: names and passwords stay the bytes they are.
        fields = parse_qs(
            body.decode("latin-1"),
            keep_blank_values=True,
            encoding="latin-1",
            max_num_fields=_MAX_FIELDS,
        )
    except BodyTooLarge:
        text = f"a form may have {MAX_FORM_BYTES} bytes at the most"
        raise OAuthError("invalid_request", text, 413) from None
    except ValueError:
        text = f"a form may have {_MAX_FIELDS} parameters at the most"
        raise OAuthError("invalid_request", text) from None
    return TokenForm(fields)
