from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFromThreads

from holm_registry.logs.observer import LOG


class SignalHandler(Service):
    """
    Handles SIGHUP while the service runs: reopens log files, and reloads the configuration.

    :param reload: Reloads the configuration, and logs its errors; None if there is none to reload.
    """

    def __init__(
        self, reactor: IReactorFromThreads, reload: Callable[[], None] | None = None
    ) -> None:
        self._reactor = reactor
        self._reload = reload
        self._previous: Any = None

    def startService(self) -> None:
        """Install the signal handler."""
        super().startService()
        self._previous = signal.signal(signal.SIGHUP, self._signal_received)

    def stopService(self) -> None:
        """Restore the previous signal handler."""
        super().stopService()
        signal.signal(signal.SIGHUP, self._previous)

    def _signal_received(self, *_: object) -> None:
        # The signal may come between any two instructions, so the reactor does the work later.
        self._reactor.callFromThread(self._handle)

    def _handle(self) -> None:
        LOG.reopen()
        if self._reload is not None:
            self._reload()
