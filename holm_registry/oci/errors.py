"""
The errors of the registry API: one class for each error code.

:see: OCI distribution-spec, "Error Codes"; the statuses are those that registry:2 sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar


class RegistryError(Exception):
    """
    An error that the registry sends to a client.

    :param message: One line for people; the standard message of the code if empty.
    :param detail: Details for programs, of types that JSON can hold; None for no details.
    :param status: The HTTP status; None for the status of the code.
    :param headers: Additional headers of the response.
    """

    code: ClassVar[str] = "UNKNOWN"
    status: int = 500
    message: str = "unknown error"

    def __init__(
        self,
        message: str = "",
        *,
        detail: object = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.detail = detail
        self.status = self.status if status is None else status
        self.headers = dict(headers or {})

    def entries(self) -> Iterable[RegistryError]:
        """Return the errors of the response; the first one decides the status."""
        return (self,)

    def document(self) -> dict[str, object]:
        """
        Return the body of the response, to be encoded as JSON.

        :see: OCI distribution-spec, "Error Codes".
        """
        return {"errors": [error.entry() for error in self.entries()]}

    def entry(self) -> dict[str, object]:
        """Return this error as an entry of ``errors``."""
        entry: dict[str, object] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            entry["detail"] = self.detail
        return entry


class Unknown(RegistryError):
    """An unexpected failure of the server."""


class Unsupported(RegistryError):
    """The registry does not offer this operation."""

    code, status, message = "UNSUPPORTED", 405, "the operation is unsupported"


class Unauthorized(RegistryError):
    """The request needs authentication."""

    code, status, message = "UNAUTHORIZED", 401, "authentication required"


class Denied(RegistryError):
    """The client is authenticated, but not allowed to do this."""

    code, status, message = "DENIED", 403, "requested access to the resource is denied"


class Unavailable(RegistryError):
    """The storage cannot serve the request now: a full disk, a volume that is not mounted."""

    code, status, message = "UNAVAILABLE", 503, "service unavailable"


class TooManyRequests(RegistryError):
    """The client must wait before its next request."""

    code, status, message = "TOOMANYREQUESTS", 429, "too many requests"


class DigestInvalid(RegistryError):
    """A digest that is not valid, or that differs from the content's digest."""

    code, status, message = "DIGEST_INVALID", 400, "provided digest did not match uploaded content"


class SizeInvalid(RegistryError):
    """A length that differs from the length of the content."""

    code, status, message = "SIZE_INVALID", 400, "provided length did not match content length"


class RangeInvalid(RegistryError):
    """A range that cannot be satisfied, or a chunk out of order."""

    code, status, message = "RANGE_INVALID", 416, "invalid content range"


class NameInvalid(RegistryError):
    """A repository name outside the grammar."""

    code, status, message = "NAME_INVALID", 400, "invalid repository name"


class TagInvalid(RegistryError):
    """A tag outside the grammar."""

    code, status, message = "TAG_INVALID", 400, "manifest tag did not match URI"


class NameUnknown(RegistryError):
    """The repository does not exist."""

    code, status, message = "NAME_UNKNOWN", 404, "repository name not known to registry"


class ManifestUnknown(RegistryError):
    """The repository has no such manifest."""

    code, status, message = "MANIFEST_UNKNOWN", 404, "manifest unknown"


class ManifestInvalid(RegistryError):
    """A manifest that cannot be parsed, or that contradicts itself."""

    code, status, message = "MANIFEST_INVALID", 400, "manifest invalid"


class ManifestUnverified(RegistryError):
    """A manifest whose signature is not valid."""

    code, status, message = "MANIFEST_UNVERIFIED", 400, "manifest failed signature verification"


class ManifestBlobUnknown(RegistryError):
    """A manifest that refers to content that the repository does not have."""

    code, status, message = "MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"


class BlobUnknown(RegistryError):
    """The repository has no such blob."""

    code, status, message = "BLOB_UNKNOWN", 404, "blob unknown to registry"


class BlobUploadUnknown(RegistryError):
    """The upload session does not exist."""

    code, status, message = "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"


class BlobUploadInvalid(RegistryError):
    """An upload session that cannot be continued."""

    code, status, message = "BLOB_UPLOAD_INVALID", 404, "blob upload invalid"


class PaginationNumberInvalid(RegistryError):
    """A page size that is not a number, or out of bounds."""

    code, status, message = (
        "PAGINATION_NUMBER_INVALID",
        400,
        "invalid number of results requested",
    )


class MultipleErrors(RegistryError):
    """
    Several errors in one response.

    :param errors: At least one; the first one decides the status.
    """

    def __init__(self, errors: Iterable[RegistryError]) -> None:
        self._errors = tuple(errors)
        first = self._errors[0]
        super().__init__(first.message, detail=first.detail, status=first.status)

    def entries(self) -> Iterable[RegistryError]:
        """Return all errors, in the order of detection."""
        return self._errors
