"""
Running blocking code beside the reactor.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock, Thread
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


#: How long threads may take to finish what they have begun when they are to end, in seconds.
END_SECONDS = 5.0

_log = Logger()


class ThreadsEnded(Exception):
    """There are no threads any more: the process ends."""


class Threads(Protocol):
    """Somewhere to run blocking code."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Run a function.

        Cancelling the result does not stop the function: it must leave things whole on its own.
        """


class WorkQueue(Generic[T]):
    """
    Whose turn it is, where some threads are shared by several kinds of work.

    Some are kept for kinds of which nothing is running yet: however much there is of one kind, and
    however long it takes, work of another kind begins at once. Within a kind the first comes first;
    kinds take turns.

    :param count: How many threads there are.
    :param kept: How many of them are kept so.
    """

    def __init__(self, count: int, kept: int = 0) -> None:
        self._count = count
        self._shared = count - kept
        self._running: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[T]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How much waits."""
        return sum(map(len, self._waiting.values()))

    def add(self, kind: Hashable, work: T) -> list[T]:
        """Take in work, and give what is to begin now."""
        self._waiting.setdefault(kind, deque()).append(work)
        return self._next()

    def end(self, kind: Hashable) -> list[T]:
        """Note that work of a kind has ended, and give what is to begin now."""
        self._running[kind] -= 1
        if not self._running[kind]:
            del self._running[kind]
        return self._next()

    def all(self) -> list[T]:
        """Give all that waits: it is to begin now, whoever waits for whom."""
        left = [(kind, work) for kind, each in self._waiting.items() for work in each]
        self._waiting.clear()
        self._running.update(kind for kind, _ in left)
        return [work for _, work in left]

    def _next(self) -> list[T]:
        begun: list[T] = []
        while (kind := next(filter(self._may_begin, self._waiting), None)) is not None:
            begun.append(self._begin(kind))
        return begun

    def _may_begin(self, kind: Hashable) -> bool:
        running = self._running.total()
        return running < self._shared or (running < self._count and not self._running[kind])

    def _begin(self, kind: Hashable) -> T:
        works = self._waiting.pop(kind)
        work = works.popleft()
        if works:
            # Behind the others.
            self._waiting[kind] = works
        self._running[kind] += 1
        return work


def _daemon(**options: Any) -> Thread:
    return Thread(daemon=True, **options)


class _DaemonPool(ThreadPool):
    """Threads that a process does not wait for at its end: one of them may hang for ever."""

    threadFactory = staticmethod(_daemon)  # type: ignore[assignment]


class PooledThreads:
    """
    A bounded pool of threads of its own, apart from the reactor's, which resolves names.

    :param count: How many threads at the most.
    :param kept: How many of them are kept from functions that run in others already: see
        :class:`WorkQueue`.
    """

    def __init__(self, reactor: Any, count: int, kept: int = 0) -> None:
        self._reactor: IReactorFromThreads = reactor
        self._clock: IReactorTime = reactor
        self._pool = _DaemonPool(minthreads=0, maxthreads=count, name="content")
        self._lock = Lock()
        self._turns: WorkQueue[Callable[[], None]] = WorkQueue(count, kept)
        self._has_ended = False

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """See :class:`Threads`."""
        if self._has_ended:
            # Twisted's pool would drop it, and whoever waits for it would wait for ever.
            return fail(ThreadsEnded("the threads have ended"))
        result: Deferred[T] = Deferred()
        kind = _kind(function)

        def ended(succeeded: bool, value: Any) -> None:  # noqa: FBT001 - so Twisted calls it
            with self._lock:
                works = self._turns.end(kind)
            self._begin(works)
            answer = result.callback if succeeded else result.errback
            self._reactor.callFromThread(answer, value)

        work = partial(self._pool.callInThreadWithCallback, ended, function, *args, **kwargs)
        with self._lock:
            works = self._turns.add(kind, work)
        self._begin(works)
        return result

    def waiting(self) -> int:
        """Tell how much waits for a thread."""
        in_pool = self._pool._team.statistics().backloggedWorkCount  # noqa: SLF001 - Twisted shows it nowhere else
        with self._lock:
            return int(in_pool) + self._turns.waiting

    def working(self) -> int:
        """Tell how many threads are at work."""
        return len(self._pool.working)

    def start(self) -> None:
        """Take work from now on."""
        self._pool.start()

    def stop(self) -> Deferred[None]:
        """
        Take nothing more, and finish what was begun or waits.

        :return: A result when that is done, behind the results of all work; or after
            :data:`END_SECONDS`, since what hangs in a file system must not keep the process.
        """
        ended: Deferred[None] = Deferred()
        if self._has_ended or not self._pool.started:
            self._has_ended = True
            return succeed(None)
        self._has_ended = True
        with self._lock:
            works = self._turns.all()
        self._begin(works)

        def done() -> None:
            if not ended.called:
                ended.callback(None)

        def stop() -> None:
            self._pool.stop()
            self._reactor.callFromThread(done)

        Thread(target=stop, daemon=True).start()
        ended.addTimeout(END_SECONDS, self._clock)
        return ended.addErrback(_tell_of_timeout)

    @staticmethod
    def _begin(works: list[Callable[[], None]]) -> None:
        for work in works:
            work()


def _kind(function: Callable[..., Any]) -> Hashable:
    """Tell which function it is, however it is bound."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    return getattr(function, "__code__", None) or getattr(function, "__qualname__", "")


def _tell_of_timeout(failure: Failure) -> None:
    failure.trap(DeferredTimeout)
    _log.warn("some threads did not finish; the process ends without them")


class ImmediateThreads:
    """Runs everything at once, in the calling thread: for tests."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """See :class:`Threads`."""
        return execute(function, *args, **kwargs)
