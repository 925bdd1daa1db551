"""
What can go wrong between a page and its registry, with the status a visitor gets.
"""

from __future__ import annotations


class UiError(Exception):
    """
    Something a visitor asked for that cannot be had.

    :param message: One line for people.
    :param url: What was asked of the registry, if it was the registry that failed.
    :param registry_status: The status the registry answered with, if it did.
    """

    status = 500
    title = "Something went wrong"

    def __init__(self, message: str, *, url: str = "", registry_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.url = url
        self.registry_status = registry_status

    def as_json(self, *, show_url: bool) -> dict[str, object]:
        """Return the JSON for programs; with the registry's address if visitors may know it."""
        told: dict[str, object] = {"error": self.message}
        if self.url and show_url:
            told["url"] = self.url
        if self.registry_status is not None:
            told["registry_status"] = self.registry_status
        return told


class ContentMissing(UiError):
    """The registry has no such repository, tag, manifest or blob."""

    status, title = 404, "Not found"


class InvalidRequest(UiError):
    """The visitor's request lacks something, or holds what cannot be."""

    status, title = 400, "This request cannot be understood"


class Forbidden(UiError):
    """Another site sent the visitor's browser here."""

    status, title = 403, "Refused"


class Conflict(UiError):
    """The registry no longer is as the visitor saw it, or holds what would break."""

    status, title = 409, "Nothing was deleted"


class TooMuchWork(UiError):
    """More would have to be looked at than is done for one visitor."""

    status, title = 409, "Too many tags"


class RegistryRefused(UiError):
    """The registry answered with an error of its own."""

    title = "The registry refused"

    @property
    def status(self) -> int:  # type: ignore[override] # one that the registry decides
        """403 where the registry knows who asks and says no; else it is the registry that fails."""
        return 403 if self.registry_status == 403 else 502


class RegistryUnreachable(UiError):
    """The registry does not answer."""

    status, title = 502, "The registry cannot be reached"


class RegistryTimeout(UiError):
    """The registry did not answer in time."""

    status, title = 504, "The registry is slow"


class LoginRequired(UiError):
    """
    The registry wants to know who asks.

    :ivar challenges: The registry's ``WWW-Authenticate`` values.
    """

    status, title = 401, "Login needed"

    def __init__(self, message: str, *, url: str, challenges: tuple[str, ...]) -> None:
        super().__init__(message, url=url, registry_status=401)
        self.challenges = challenges


class LoginRefused(LoginRequired):
    """The registry does not take the name and password that a visitor sent."""

    title = "Wrong name or password"
