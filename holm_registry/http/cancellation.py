from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from .body import ClientDisconnected

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

_log = Logger()


def uncancellable(
    function: Callable[Concatenate[S, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Deferred[T]]:
    """
    Let a method that writes run to its end, even when its client has left.

    Klein cancels a handler when its client leaves. What is cancelled here is the waiting alone; an
    error that no client receives is logged, except that the client left.
    """

    @wraps(function)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        waiting: Deferred[T] = Deferred()

        def done(result: T | Failure) -> None:
            if not waiting.called:
                waiting.callback(result)
            elif isinstance(result, Failure) and not result.check(
                ClientDisconnected, CancelledError
            ):
                _log.failure("after the client had left: {name}", result, name=function.__name__)

        Deferred.fromCoroutine(_awaiting(function(self, *args, **kwargs))).addBoth(done)
        return waiting

    return run


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable
