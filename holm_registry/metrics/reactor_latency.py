from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from twisted.application.service import Service

#: How often to look, in seconds.
_INTERVAL_SECONDS = 0.5

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class ReactorLatency(Service):
    """
    Measures how late the event loop comes to what is due: whatever blocks it makes that long.

    :param prefix: What the name begins with.
    """

    def __init__(self, reactor: Any, registry: CollectorRegistry, prefix: str) -> None:
        self._reactor = reactor
        self._call: Any = None
        self._delays = Histogram(
            f"{prefix}_event_loop_delay_seconds",
            "How late the event loop comes to what is due.",
            buckets=_BUCKETS,
            registry=registry,
        )

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._wait()

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _wait(self) -> None:
        due = self._reactor.seconds() + _INTERVAL_SECONDS
        self._call = self._reactor.callLater(_INTERVAL_SECONDS, self._look, due)

    def _look(self, due: float) -> None:
        self._delays.observe(max(0.0, self._reactor.seconds() - due))
        self._wait()
