"""
How much one client may ask for.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from attrs import define

from .connection_limits import ConnectionTimeouts

#: For how long a client that was idle may come at twice its rate, in seconds: rolling out an image
#: is many requests at once, and then none.
BURST_SECONDS = 10.0

#: How many clients to remember; one that is forgotten may come as if it had been idle.
_MAX_CLIENTS = 4096


@define
class _Bucket:
    tokens: float
    filled: float


class TokenBucket:
    """
    Lets each client come so often in the long run, and in bursts.

    :param per_second: How often.
    :param burst: How often at once.
    :param seconds: Tells the time, from any beginning.
    """

    def __init__(self, per_second: float, burst: float, seconds: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = max(1.0, burst)
        self._seconds = seconds
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def acquire(self, client: str) -> float:
        """Count a client once; give how long it has to wait first, in seconds: 0 if not at all."""
        wait = self.retry_after(client)
        if not wait:
            self._buckets[client].tokens -= 1.0
        return wait

    def retry_after(self, client: str) -> float:
        """Return how long a client has to wait, in seconds, and count nothing."""
        now = self._seconds()
        bucket = self._buckets.pop(client, None) or _Bucket(self._burst, now)
        self._buckets[client] = bucket
        if len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.filled) * self._per_second
        bucket.tokens, bucket.filled = min(self._burst, bucket.tokens + gained), now
        return 0.0 if bucket.tokens >= 1.0 else (1.0 - bucket.tokens) / self._per_second


class RateLimiter:
    """
    Counts what clients ask for.

    :param seconds: Tells the time, from any beginning.
    :ivar refused: How many requests were refused.
    """

    def __init__(self, limits: ConnectionTimeouts, seconds: Callable[[], float]) -> None:
        self._most_uploads = limits.uploads_per_address
        self._uploads: Counter[str] = Counter()
        self._rate: TokenBucket | None = None
        if limits.requests_per_second:
            rate = limits.requests_per_second
            self._rate = TokenBucket(rate, rate * BURST_SECONDS, seconds)
        self.refused = 0

    def admit(self, request: Any) -> tuple[str, float] | None:
        """
        Count a request in, until it ends.

        :return: Why it may not be answered, and when to come back, in seconds; None if it may.
        """
        if self._rate is None and not request.streams:
            return None
        client = request.client_network
        wait = 0.0 if self._rate is None else self._rate.acquire(client)
        if wait:
            self.refused += 1
            return "too many requests from this address", wait
        if not request.streams:
            return None
        if self._uploads[client] >= self._most_uploads:
            self.refused += 1
            return "too many uploads at once from this address", 1.0
        self._uploads[client] += 1
        request.notifyFinish().addBoth(self._release, client)
        return None

    def _release(self, _: object, client: str) -> None:
        self._uploads[client] -= 1
        if self._uploads[client] <= 0:
            del self._uploads[client]
