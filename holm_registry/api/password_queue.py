"""
A queue for password checks, shared out by client address.

bcrypt takes a core for tens of milliseconds, so that few checks run at once and the others wait. An
address that sends many logins waits behind its own: addresses take turns, and where all places are
taken the address that holds the most gives one up to an address that holds fewer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.oci.errors import TooManyRequests
from holm_registry.threads import Threads

#: How many checks run at once.
RUNNING = 2

#: How many may wait, from all addresses together.
PLACES = 64

_log = Logger()


@define(eq=False)
class _PasswordCheck:
    function: Callable[[], Any]
    done: Deferred[Any]


class PasswordQueue:
    """
    Runs checks in threads, a few at once and the others in turn.

    :param threads: At least :data:`RUNNING` threads for nothing else.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._running = 0
        self._waiting: OrderedDict[str, deque[_PasswordCheck]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many checks wait."""
        return sum(map(len, self._waiting.values()))

    def run(self, address: str, function: Callable[[], Any]) -> Deferred[Any]:
        """
        Run a check for a client.

        Cancelling the result gives up the place of a check that waits; one that runs goes on.

        :param address: What counts as one client: :attr:`.StreamedRequest.network`.
        :return: What the function returns; fails with :class:`.TooManyRequests` if there is no
            place, or this one was given up to another address.
        """
        done: Deferred[Any] = Deferred(lambda _: self._leave(address, check))
        check = _PasswordCheck(function, done)
        if self._running < RUNNING:
            self._start(check)
        elif self.waiting < PLACES or self._make_room(address):
            self._waiting.setdefault(address, deque()).append(check)
        else:
            done.errback(_too_many())
        return done

    def _make_room(self, address: str) -> bool:
        """Take a place from the address that has the most, if it has more than this one will."""
        busiest = max(self._waiting, key=lambda each: len(self._waiting[each]))
        wanted = len(self._waiting.get(address, ())) + 1
        if len(self._waiting[busiest]) <= wanted:
            return False
        self._remove(busiest, self._waiting[busiest][-1]).done.errback(_too_many())
        return True

    def _start(self, check: _PasswordCheck) -> None:
        self._running += 1
        self._threads.run(check.function).addBoth(self._end, check)

    def _end(self, result: Any, check: _PasswordCheck) -> None:
        self._running -= 1
        if self._waiting:
            address, checks = next(iter(self._waiting.items()))
            following = self._remove(address, checks[0])
            if address in self._waiting:
                self._waiting.move_to_end(address)
            self._start(following)
        if not check.done.called:
            check.done.callback(result)
        elif isinstance(result, Failure):
            _log.failure("a password could not be checked", result)

    def _leave(self, address: str, check: _PasswordCheck) -> None:
        if check in self._waiting.get(address, ()):
            self._remove(address, check)

    def _remove(self, address: str, check: _PasswordCheck) -> _PasswordCheck:
        checks = self._waiting[address]
        checks.remove(check)
        if not checks:
            del self._waiting[address]
        return check


def _too_many() -> TooManyRequests:
    return TooManyRequests("too many logins at once", headers={"Retry-After": "1"})
