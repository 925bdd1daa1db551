"""
Running blocking code beside the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Protocol):
    """Somewhere to run blocking code."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Run a function.

        Cancelling the result does not stop the function: it must leave things whole on its own.
        """


class PooledThreads:
    """
    A bounded pool of threads of its own, apart from the reactor's, which resolves names.

    :param count: How many threads at the most.
    """

    def __init__(self, reactor: IReactorFromThreads, count: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=count, name="content")

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """See :class:`Threads`."""
        return deferToThreadPool(self._reactor, self._pool, function, *args, **kwargs)

    def waiting(self) -> int:
        """Tell how much waits for a thread."""
        return int(self._pool._team.statistics().backloggedWorkCount)  # noqa: SLF001 - Twisted shows it nowhere else

    def working(self) -> int:
        """Tell how many threads are at work."""
        return len(self._pool.working)

    def start(self) -> None:
        """Take work from now on."""
        self._pool.start()

    def stop(self) -> None:
        """Finish what was begun, and take nothing more."""
        self._pool.stop()


class NoThreads:
    """Runs everything at once, in the calling thread: for tests."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """See :class:`Threads`."""
        return execute(function, *args, **kwargs)
