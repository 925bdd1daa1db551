"""
The errors a registry may answer with: one class for each code.

:see: OCI distribution-spec, "Error Codes"; the statuses are those that registry:2 sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar


class RegistryError(Exception):
    """
    Something a client asked for that it cannot have.

    :param message: One line for people; the code's standard sentence when empty.
    :param detail: Anything JSON can hold that helps a program; left out of the answer when None.
    :param status: Another HTTP status than the code's own.
    :param headers: Headers to send along with the error.
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
        """Give each error to be listed in the answer; the first decides the status."""
        return (self,)

    def document(self) -> dict[str, object]:
        """
        Return the answer's body, to be written as JSON.

        :see: OCI distribution-spec, "Error Codes".
        """
        return {"errors": [error.entry() for error in self.entries()]}

    def entry(self) -> dict[str, object]:
        """Return this error as it is listed in the answer."""
        entry: dict[str, object] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            entry["detail"] = self.detail
        return entry


class Unknown(RegistryError):
    """A fault of the server's own."""


class Unsupported(RegistryError):
    """The operation exists, and is not offered here."""

    code, status, message = "UNSUPPORTED", 405, "the operation is unsupported"


class Unauthorized(RegistryError):
    """Authentication is needed."""

    code, status, message = "UNAUTHORIZED", 401, "authentication required"


class Denied(RegistryError):
    """The client is known and may not do this."""

    code, status, message = "DENIED", 403, "requested access to the resource is denied"


class Unavailable(RegistryError):
    """The store cannot serve this now: a full disk, a lost volume."""

    code, status, message = "UNAVAILABLE", 503, "service unavailable"


class TooManyRequests(RegistryError):
    """The client should come back later."""

    code, status, message = "TOOMANYREQUESTS", 429, "too many requests"


class DigestInvalid(RegistryError):
    """A digest that does not parse, or content that does not hash to it."""

    code, status, message = "DIGEST_INVALID", 400, "provided digest did not match uploaded content"


class SizeInvalid(RegistryError):
    """A length that differs from the content's."""

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
    """No such repository."""

    code, status, message = "NAME_UNKNOWN", 404, "repository name not known to registry"


class ManifestUnknown(RegistryError):
    """No such manifest in this repository."""

    code, status, message = "MANIFEST_UNKNOWN", 404, "manifest unknown"


class ManifestInvalid(RegistryError):
    """A manifest that does not parse or contradicts itself."""

    code, status, message = "MANIFEST_INVALID", 400, "manifest invalid"


class ManifestUnverified(RegistryError):
    """A manifest whose signature does not hold."""

    code, status, message = "MANIFEST_UNVERIFIED", 400, "manifest failed signature verification"


class ManifestBlobUnknown(RegistryError):
    """A manifest that names content this repository does not hold."""

    code, status, message = "MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"


class BlobUnknown(RegistryError):
    """No such blob in this repository."""

    code, status, message = "BLOB_UNKNOWN", 404, "blob unknown to registry"


class BlobUploadUnknown(RegistryError):
    """No such upload session."""

    code, status, message = "BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"


class BlobUploadInvalid(RegistryError):
    """An upload session that cannot go on."""

    code, status, message = "BLOB_UPLOAD_INVALID", 404, "blob upload invalid"


class PaginationNumberInvalid(RegistryError):
    """A page size that is no number, or out of bounds."""

    code, status, message = (
        "PAGINATION_NUMBER_INVALID",
        400,
        "invalid number of results requested",
    )


class MultipleErrors(RegistryError):
    """
    Several errors in one answer.

    :param errors: At least one; the first gives the status.
    """

    def __init__(self, errors: Iterable[RegistryError]) -> None:
        self._errors = tuple(errors)
        first = self._errors[0]
        super().__init__(first.message, detail=first.detail, status=first.status)

    def entries(self) -> Iterable[RegistryError]:
        """Give every error, in the order they were found."""
        return self._errors
