from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service

from holm_registry.logs.observer import LOG


class SignalHandler(Service):
    """
    What SIGHUP does while the service runs: open log files again, read the configuration anew.

    :param reload: Reads the configuration, and says itself what is wrong with it.
    """

    def __init__(self, reactor: Any, reload: Callable[[], None] | None = None) -> None:
        self._reactor = reactor
        self._reload = reload
        self._before: Any = None

    def startService(self) -> None:
        """Listen for the signal."""
        super().startService()
        self._before = signal.signal(signal.SIGHUP, self._received)

    def stopService(self) -> None:
        """Leave the signal to whoever had it before."""
        super().stopService()
        signal.signal(signal.SIGHUP, self._before)

    def _received(self, *_: object) -> None:
        # Between any two instructions: what is to be done is done by the reactor in its turn.
        self._reactor.callFromThread(self._act)

    def _act(self) -> None:
        LOG.reopen()
        if self._reload is not None:
            self._reload()
