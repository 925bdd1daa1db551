from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

#: What must have moved in one period. Any link moves more; a client that stalls moves less.
MIN_BYTES = 16 * 1024


class StallTimer:
    """
    Ends what goes on too slowly: a byte now and then would hold a connection for ever.

    :param seconds: How long one period is.
    :param bytes_moved: Tells how many bytes have moved so far.
    :param waiting_on_us: Tells whether it is we who keep the other side waiting just now.
    :param on_stall: Called when less than :data:`MIN_BYTES` moved in one period.
    """

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        *,
        bytes_moved: Callable[[], int],
        waiting_on_us: Callable[[], bool],
        on_stall: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._bytes_moved = bytes_moved
        self._waiting_on_us = waiting_on_us
        self._on_stall = on_stall
        self._before = 0
        self._excused = False
        self._call = clock.callLater(seconds, self._check)

    def pause_grace(self) -> None:
        """Exempt the current period: the server kept the client waiting."""
        self._excused = True

    def stop(self) -> None:
        """Stop checking."""
        if self._call.active():
            self._call.cancel()

    def _check(self) -> None:
        moved = self._bytes_moved()
        is_slow = moved - self._before < MIN_BYTES
        if is_slow and not self._excused and not self._waiting_on_us():
            self._on_stall()
            return
        self._before, self._excused = moved, False
        self._call = self._clock.callLater(self._seconds, self._check)
