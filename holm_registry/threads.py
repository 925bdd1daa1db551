"""
Bounded thread pools: blocking code runs here, and never in the reactor.
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


#: How long a pool that stops waits for functions that still run, in seconds.
STOP_TIMEOUT_SECONDS = 5.0

_log = Logger()


class ThreadsStopped(Exception):
    """The pool was stopped, since the process ends; it accepts no more work."""


class Threads(Protocol):
    """Runs blocking functions outside of the reactor."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """
        Run a function and return its result.

        Cancelling the result does not stop the function, so that it must not leave half-done work.
        """


class WorkQueue(Generic[T]):
    """
    A fair queue: decides which work starts next where several kinds of work share some threads.

    Some threads are reserved for kinds of work of which none is running. So work of one kind starts
    at once, however much work of another kind is queued and however long it takes. Within a kind,
    work starts in the order in which it was added; between kinds, the queue is round-robin.

    :param count: The number of threads.
    :param reserved: The number of threads that are reserved.
    """

    def __init__(self, count: int, reserved: int = 0) -> None:
        self._count = count
        self._shared = count - reserved
        self._running: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[T]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """The number of works that have not started."""
        return sum(map(len, self._waiting.values()))

    def add(self, kind: Hashable, work: T) -> list[T]:
        """Add work, and return the works to start now."""
        self._waiting.setdefault(kind, deque()).append(work)
        return self._next()

    def finish(self, kind: Hashable) -> list[T]:
        """Record that a work of a kind has ended, and return the works to start now."""
        self._running[kind] -= 1
        if not self._running[kind]:
            del self._running[kind]
        return self._next()

    def drain(self) -> list[T]:
        """Empty the queue: return all works that have not started, for them to start now."""
        waiting = [(kind, work) for kind, works in self._waiting.items() for work in works]
        self._waiting.clear()
        self._running.update(kind for kind, _ in waiting)
        return [work for _, work in waiting]

    def _next(self) -> list[T]:
        started: list[T] = []
        while (kind := next(filter(self._may_start, self._waiting), None)) is not None:
            started.append(self._start(kind))
        return started

    def _may_start(self, kind: Hashable) -> bool:
        running = self._running.total()
        return running < self._shared or (running < self._count and not self._running[kind])

    def _start(self, kind: Hashable) -> T:
        works = self._waiting.pop(kind)
        work = works.popleft()
        if works:
            # Round-robin: the other kinds come before this one again.
            self._waiting[kind] = works
        self._running[kind] += 1
        return work


def _daemon(**options: Any) -> Thread:
    return Thread(daemon=True, **options)


class _DaemonPool(ThreadPool):
    """A pool of daemon threads: the process can exit although one of them hangs for ever."""

    threadFactory = staticmethod(_daemon)  # type: ignore[assignment]


class PooledThreads:
    """
    A bounded pool of threads. It is not the reactor's pool, since that one resolves host names.

    :param count: The maximum number of threads.
    :param reserved: How many of them only run functions of which no call is running; see
        :class:`WorkQueue`.
    """

    def __init__(self, reactor: Any, count: int, reserved: int = 0) -> None:
        self._reactor: IReactorFromThreads = reactor
        self._clock: IReactorTime = reactor
        self._pool = _DaemonPool(minthreads=0, maxthreads=count, name="content")
        self._lock = Lock()
        self._queue: WorkQueue[Callable[[], None]] = WorkQueue(count, reserved)
        self._is_stopped = False

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run a function; fail with :class:`ThreadsStopped` after :meth:`stop`."""
        if self._is_stopped:
            # Twisted's pool drops the call, and its caller would wait for ever.
            return fail(ThreadsStopped("the thread pool was stopped"))
        result: Deferred[T] = Deferred()
        kind = _kind(function)

        def ended(succeeded: bool, value: Any) -> None:  # noqa: FBT001 - Twisted's interface
            with self._lock:
                works = self._queue.finish(kind)
            self._start_all(works)
            fire = result.callback if succeeded else result.errback
            self._reactor.callFromThread(fire, value)

        work = partial(self._pool.callInThreadWithCallback, ended, function, *args, **kwargs)
        with self._lock:
            works = self._queue.add(kind, work)
        self._start_all(works)
        return result

    def waiting(self) -> int:
        """Return the number of calls that wait for a thread."""
        in_pool = self._pool._team.statistics().backloggedWorkCount  # noqa: SLF001 - no public access
        with self._lock:
            return int(in_pool) + self._queue.waiting

    def working(self) -> int:
        """Return the number of threads that run a call."""
        return len(self._pool.working)

    def start(self) -> None:
        """Start the pool: calls are accepted from now on."""
        self._pool.start()

    def stop(self) -> Deferred[None]:
        """
        Accept no more calls, and finish those that run or wait.

        :return: Fires after the results of all calls, or after :data:`STOP_TIMEOUT_SECONDS`: a call
            that hangs in a file system must not keep the process from its end.
        """
        stopped: Deferred[None] = Deferred()
        if self._is_stopped or not self._pool.started:
            self._is_stopped = True
            return succeed(None)
        self._is_stopped = True
        with self._lock:
            works = self._queue.drain()
        self._start_all(works)

        def done() -> None:
            if not stopped.called:
                stopped.callback(None)

        def stop() -> None:
            self._pool.stop()
            self._reactor.callFromThread(done)

        Thread(target=stop, daemon=True).start()
        stopped.addTimeout(STOP_TIMEOUT_SECONDS, self._clock)
        return stopped.addErrback(_log_timeout)

    @staticmethod
    def _start_all(works: list[Callable[[], None]]) -> None:
        for work in works:
            work()


def _kind(function: Callable[..., Any]) -> Hashable:
    """Return what identifies a function, without its bound arguments and object."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    return getattr(function, "__code__", None) or getattr(function, "__qualname__", "")


def _log_timeout(failure: Failure) -> None:
    failure.trap(DeferredTimeout)
    _log.warn("some threads did not end in time; the process ends without them")


class ImmediateThreads:
    """Runs each function at once, in the calling thread: for tests."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run a function before returning."""
        return execute(function, *args, **kwargs)
