"""
Maintenance on a schedule, in processes of its own, so that serving does not stutter.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from attrs import define, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

#: The first run comes at random within this, so that servers restarted together do not collect
#: together.
_FIRST_SECONDS = 3600.0

#: A task that is due all the time would keep a core busy for nothing.
_LEAST_SECONDS = 1.0

#: A result is far shorter; whatever comes behind that is not kept.
_MAX_OUTPUT_BYTES = 1024 * 1024


@frozen
class Task:
    """
    Something to do again and again.

    :ivar name: ``collect`` or ``purge``.
    :ivar plan: How, as :class:`holm_registry.gc.collection.CollectionOptions` has it.
    :ivar last: When it was last done, in seconds since the epoch; 0 if never.
    """

    name: str
    interval_seconds: float
    root: str
    plan: dict[str, Any]
    last: float = 0.0


class _Child(ProcessProtocol):
    """A maintenance process, until it has ended."""

    def __init__(self) -> None:
        self.ended: Deferred[tuple[int | None, bytes, bytes]] = Deferred()
        self._output = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._output[childFD] = (self._output[childFD] + data)[:_MAX_OUTPUT_BYTES]

    def processEnded(self, reason: Failure) -> None:
        status = getattr(reason.value, "exitCode", None)
        self.ended.callback((status, self._output[1], self._output[2]))

    def end(self) -> None:
        """Have it end at once: it may die at any moment."""
        transport: Any = self.transport
        with suppress(ProcessExitedAlready):
            transport.signalProcess("KILL")


@define
class TaskStats:
    """
    What became of one task so far.

    :ivar runs: How often it was done in this process.
    :ivar failures: How often it failed.
    :ivar freed_bytes: What it freed in all.
    :ivar problems: How much was damaged at its last run.
    :ivar last: When it was last done, by whichever server, in seconds since the epoch.
    """

    runs: int = 0
    failures: int = 0
    freed_bytes: int = 0
    problems: int = 0
    last: float = 0.0


@define
class _ScheduledTask:
    """What is under way for one task: its next time, or its process."""

    call: Any = None
    child: _Child | None = None


class MaintenanceScheduler(Service):
    """
    Does tasks when they are due, one process each; one that fails is done again at its next time.

    :param spread: Gives when to begin, from 0 to 1 of an hour.
    :param now: Tells the time, in seconds since the epoch.
    :ivar accounts: What became of each task, by name.
    :ivar changed: Called when a task has perhaps changed what the store holds.
    """

    def __init__(
        self,
        reactor: Any,
        tasks: list[Task],
        *,
        spread: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._tasks = tasks
        self._spread = spread
        self._now = now
        self._turns = [_ScheduledTask() for _ in tasks]
        self.changed: Callable[[], object] = _ignore
        self.accounts = {task.name: TaskStats(last=task.last) for task in tasks}

    def startService(self) -> None:
        """Begin to wait."""
        super().startService()
        for task, turn in zip(self._tasks, self._turns, strict=True):
            soon = self._spread() * min(_FIRST_SECONDS, task.interval_seconds)
            due = task.last + task.interval_seconds - self._now()
            # A clock that was wrong once must not put it off for ever.
            due = min(due, task.interval_seconds)
            turn.call = self._reactor.callLater(max(soon, due, 0.0), self._begin, task, turn)

    def stopService(self) -> Deferred[Any]:
        """End what is running, and wait for its end."""
        super().stopService()
        ends: list[Deferred[Any]] = []
        for turn in self._turns:
            if turn.call is not None and turn.call.active():
                turn.call.cancel()
            if turn.child is not None:
                ended: Deferred[None] = Deferred()
                turn.child.ended.addBoth(_pass_on, ended)
                ends.append(ended)
                turn.child.end()
        return gatherResults(ends) if ends else succeed(None)

    def _begin(self, task: Task, turn: _ScheduledTask) -> None:
        turn.child = _Child()
        turn.child.ended.addCallback(self._ended, task, turn)
        turn.child.ended.addErrback(lambda failure: _log.failure("maintenance", failure))
        arguments = [task.name, task.root, msgspec.json.encode(task.plan).decode()]
        command = [sys.executable, "-m", "holm_registry.gc", *arguments]
        try:
            self._reactor.spawnProcess(turn.child, sys.executable, command, env=None)
        except OSError as problem:
            # No process to be had just now: as if it had failed, and so its next time comes.
            turn.child.ended.callback((None, b"", str(problem).encode()))

    def _ended(
        self, outcome: tuple[int | None, bytes, bytes], task: Task, turn: _ScheduledTask
    ) -> None:
        turn.child = None
        if not self.running:
            return
        wait = max(task.interval_seconds, _LEAST_SECONDS)
        turn.call = self._reactor.callLater(wait, self._begin, task, turn)
        status, output, errors = outcome
        self.changed()
        if status == 0:
            self._succeeded(task, msgspec.json.decode(output))
        else:
            self._failed(task, status, errors.decode("utf-8", "replace").strip())

    def _failed(self, task: Task, status: int | None, said: str) -> None:
        self.accounts[task.name].failures += 1
        _log.error(
            "{task} failed (status {status}): {said}",
            task=task.name,
            status=status,
            said=said.splitlines()[-1] if said else "it said nothing",
        )

    def _succeeded(self, task: Task, result: dict[str, Any]) -> None:
        account = self.accounts[task.name]
        problems = result.pop("problems", [])
        account.runs += 1
        account.last = self._now()
        account.problems = len(problems)
        account.freed_bytes += 0 if result.get("dry_run") else result.get("bytes", 0)
        for problem in problems:
            _log.warn("{task}: {problem}", task=task.name, problem=problem)
        found = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in result.items())
        _log.info("{task} done: {found}", task=task.name, found=found)


def _ignore() -> None:
    """Nobody wants to know."""


def _pass_on(result: Any, waiting: Deferred[None]) -> Any:
    waiting.callback(None)
    return result
