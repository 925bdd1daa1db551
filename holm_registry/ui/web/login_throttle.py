from __future__ import annotations

from collections.abc import Callable
from math import ceil

from holm_registry.http.rate_limiter import TokenBucket
from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import UiError

#: How many wrong logins may come from one address at once, and how often in the long run.
BURST = 10
PER_SECOND = 1 / 6


class TooManyLogins(UiError):
    """
    Too many logins from one address were wrong.

    :ivar seconds: When the next one is passed on.
    """

    status, title = 429, "Too many wrong logins"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many logins from your address were wrong; wait {seconds} seconds")
        self.seconds = seconds


class LoginThrottle:
    """
    Counts logins that the registry did not believe, by where they come from.

    To the registry all visitors come from one address, that of the UI: it cannot tell a guesser
    from the others, and we can. A login that was accepted before does not wait.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._rate = TokenBucket(PER_SECOND, BURST, seconds)

    def require(self, request: StreamedRequest) -> None:
        """
        Let a new login be tried.

        :raises TooManyLogins: Too many from there were wrong.
        """
        wait = self._rate.retry_after(request.client_network)
        if wait:
            raise TooManyLogins(ceil(wait))

    def note(self, request: StreamedRequest) -> None:
        """Note a login that was not believed."""
        self._rate.acquire(request.client_network)
