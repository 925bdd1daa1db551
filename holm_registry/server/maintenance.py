"""
Run maintenance on a schedule, in separate processes, so that it does not delay requests.
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
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()

#: The first run comes at a random time within this, so that servers that restart together do not
#: collect together.
_MAX_JITTER_SECONDS = 3600.0

#: The least interval, so that a task does not keep a core busy.
_MIN_INTERVAL_SECONDS = 1.0

#: A result is far shorter; more output is not kept.
_MAX_OUTPUT_BYTES = 1024 * 1024

#: The exit status of a process (None if a signal ended it), its output, and its errors.
_Outcome = tuple[int | None, bytes, bytes]


@frozen
class MaintenanceTask:
    """
    A task that runs at an interval.

    :ivar name: ``collect`` or ``purge``.
    :ivar options: Fields of :class:`holm_registry.gc.collection.CollectionOptions`.
    :ivar last_success: When the task last succeeded on any server, in seconds since the epoch; 0 if
        never.
    """

    name: str
    interval_seconds: float
    root: str
    options: dict[str, Any]
    last_success: float = 0.0


class _TaskProcess(ProcessProtocol):
    """The process that runs a task."""

    def __init__(self) -> None:
        self.exited: Deferred[_Outcome] = Deferred()
        self._output = {1: b"", 2: b""}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._output[childFD] = (self._output[childFD] + data)[:_MAX_OUTPUT_BYTES]

    def processEnded(self, reason: Failure) -> None:
        status = getattr(reason.value, "exitCode", None)
        self.exited.callback((status, self._output[1], self._output[2]))

    def kill(self) -> None:
        """End the process at once; every task is safe to kill at any instant."""
        transport: Any = self.transport
        with suppress(ProcessExitedAlready):
            transport.signalProcess("KILL")


@define
class TaskStats:
    """
    The totals of one task.

    :ivar runs: How often this server has run it successfully.
    :ivar failures: How often it has failed.
    :ivar freed_bytes: What all runs have freed.
    :ivar problems: How many problems the last run has found.
    :ivar last_success: When it last succeeded on any server, in seconds since the epoch.
    """

    runs: int = 0
    failures: int = 0
    freed_bytes: int = 0
    problems: int = 0
    last_success: float = 0.0


@define
class _ScheduledTask:
    """A task with its next run, or with the process of the current one."""

    task: MaintenanceTask
    call: IDelayedCall | None = None
    process: _TaskProcess | None = None


class MaintenanceScheduler(Service):
    """
    Runs each task at its interval, in a process of its own.

    A task that has failed runs again at its next time.

    :param jitter: Returns the delay of the first run, as a part of an hour from 0 to 1.
    :param now: Returns the time in seconds since the epoch.
    :ivar stats: The totals of each task, by its name.
    :ivar on_change: Called after each run, since it may have changed what the storage holds.
    """

    def __init__(
        self,
        reactor: Any,
        tasks: list[MaintenanceTask],
        *,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        # Any: no interface of Twisted's has both timers and processes.
        self._reactor = reactor
        self._jitter = jitter
        self._now = now
        self._scheduled = [_ScheduledTask(task) for task in tasks]
        self.on_change: Callable[[], object] = _ignore
        self.stats = {task.name: TaskStats(last_success=task.last_success) for task in tasks}

    def startService(self) -> None:
        """Schedule the first run of each task."""
        super().startService()
        for scheduled in self._scheduled:
            delay = self._first_delay(scheduled.task)
            scheduled.call = self._reactor.callLater(delay, self._start_task, scheduled)

    def stopService(self) -> Deferred[Any]:
        """Kill the running processes, and wait until they have exited."""
        super().stopService()
        exits: list[Deferred[Any]] = []
        for scheduled in self._scheduled:
            if scheduled.call is not None and scheduled.call.active():
                scheduled.call.cancel()
            if scheduled.process is not None:
                exited: Deferred[None] = Deferred()
                scheduled.process.exited.addBoth(_pass_on, exited)
                exits.append(exited)
                scheduled.process.kill()
        return gatherResults(exits) if exits else succeed(None)

    def _first_delay(self, task: MaintenanceTask) -> float:
        """Return the time until the first run, in seconds."""
        jitter = self._jitter() * min(_MAX_JITTER_SECONDS, task.interval_seconds)
        due = task.last_success + task.interval_seconds - self._now()
        # At most one interval: a last run in the future, of a wrong clock, must not stop the task.
        due = min(due, task.interval_seconds)
        return max(jitter, due, 0.0)

    def _start_task(self, scheduled: _ScheduledTask) -> None:
        task = scheduled.task
        process = scheduled.process = _TaskProcess()
        process.exited.addCallback(self._ended, scheduled)
        process.exited.addErrback(lambda failure: _log.failure("maintenance", failure))
        arguments = [task.name, task.root, msgspec.json.encode(task.options).decode()]
        command = [sys.executable, "-m", "holm_registry.gc", *arguments]
        try:
            self._reactor.spawnProcess(process, sys.executable, command, env=None)
        except OSError as problem:
            # A failed run: the next one comes at its time.
            process.exited.callback((None, b"", str(problem).encode()))

    def _ended(self, outcome: _Outcome, scheduled: _ScheduledTask) -> None:
        scheduled.process = None
        if not self.running:
            return
        task = scheduled.task
        interval = max(task.interval_seconds, _MIN_INTERVAL_SECONDS)
        scheduled.call = self._reactor.callLater(interval, self._start_task, scheduled)
        status, output, errors = outcome
        self.on_change()
        if status == 0:
            self._succeeded(task, msgspec.json.decode(output))
        else:
            self._failed(task, status, errors.decode("utf-8", "replace").strip())

    def _failed(self, task: MaintenanceTask, status: int | None, errors: str) -> None:
        self.stats[task.name].failures += 1
        _log.error(
            "{task} failed (status {status}): {said}",
            task=task.name,
            status=status,
            said=errors.splitlines()[-1] if errors else "no error message",
        )

    def _succeeded(self, task: MaintenanceTask, result: dict[str, Any]) -> None:
        stats = self.stats[task.name]
        problems = result.pop("problems", [])
        stats.runs += 1
        stats.last_success = self._now()
        stats.problems = len(problems)
        stats.freed_bytes += 0 if result.get("dry_run") else result.get("bytes", 0)
        for problem in problems:
            _log.warn("{task}: {problem}", task=task.name, problem=problem)
        summary = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in result.items())
        _log.info("{task} done: {found}", task=task.name, found=summary)


def _ignore() -> None:
    """Do nothing: no part of the server depends on what the storage holds."""


def _pass_on(result: Any, waiting: Deferred[None]) -> Any:
    waiting.callback(None)
    return result
