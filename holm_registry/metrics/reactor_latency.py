from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram
from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: The time between two measurements, in seconds.
_INTERVAL_SECONDS = 0.5

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class ReactorLatency(Service):
    """
    Measures how late the reactor runs a delayed call: code that blocks the reactor delays it.

    :param prefix: The prefix of the metric's name.
    """

    def __init__(self, reactor: IReactorTime, registry: CollectorRegistry, prefix: str) -> None:
        self._reactor = reactor
        self._call: IDelayedCall | None = None
        self._delays = Histogram(
            f"{prefix}_event_loop_delay_seconds",
            "How late the event loop runs a delayed call.",
            buckets=_BUCKETS,
            registry=registry,
        )

    def startService(self) -> None:
        """Start measuring."""
        super().startService()
        self._schedule()

    def stopService(self) -> None:
        """Stop measuring."""
        super().stopService()
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _schedule(self) -> None:
        due = self._reactor.seconds() + _INTERVAL_SECONDS
        self._call = self._reactor.callLater(_INTERVAL_SECONDS, self._observe, due)

    def _observe(self, due: float) -> None:
        self._delays.observe(max(0.0, self._reactor.seconds() - due))
        self._schedule()
