"""When maintenance runs, and how its processes end."""

from __future__ import annotations

import pytest
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from holm_registry.server.maintenance import MaintenanceScheduler, MaintenanceTask, TaskStats

HOUR = 3600.0
NOW = 1_000_000.0


class Machine(Clock):
    """A clock, and processes that the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[float, list[str]]] = []
        self.signals: list[str] = []
        self.refusals = 0

    def spawnProcess(self, protocol, _program, arguments, **_options):
        if self.refusals:
            self.refusals -= 1
            raise OSError(11, "Resource temporarily unavailable")
        self.started.append((self.seconds(), arguments[3:]))
        self.protocol = protocol
        protocol.transport = self

    def signalProcess(self, name):
        self.signals.append(name)
        self.end(None, b"", 9)

    def end(self, status, output=b"", signal=None):
        self.protocol.childDataReceived(1, output)
        self.protocol.childDataReceived(2, b"it said\nwhat was wrong")
        reason = ProcessDone(0) if status == 0 else ProcessTerminated(status, signal)
        self.protocol.processEnded(Failure(reason))


def start_scheduler(machine, *, last=0.0, jitter=0.5, interval=24 * HOUR):
    task = MaintenanceTask("collect", interval, "/root", {"untagged": True}, last)
    scheduler = MaintenanceScheduler(machine, [task], jitter=lambda: jitter, now=lambda: NOW)
    scheduler.startService()
    return scheduler


@pytest.mark.parametrize(
    ("last", "interval", "expected"),
    [
        (0.0, 24 * HOUR, HOUR / 2),
        (NOW - 30 * HOUR, 24 * HOUR, HOUR / 2),
        (NOW - 4 * HOUR, 24 * HOUR, 20 * HOUR),
        (NOW + 1000 * HOUR, 24 * HOUR, 24 * HOUR),
        (0.0, 60.0, 30.0),
    ],
)
def test_the_first_time_is_soon_unless_another_server_was_there(last, interval, expected):
    machine = Machine()
    start_scheduler(machine, last=last, interval=interval)
    machine.advance(expected - 1)
    assert not machine.started
    machine.advance(1)
    assert machine.started == [(expected, ["collect", "/root", '{"untagged":true}'])]


def test_it_is_done_again_and_again_one_at_a_time():
    machine = Machine()
    scheduler = start_scheduler(machine)
    machine.advance(HOUR)
    machine.advance(100 * HOUR)
    assert len(machine.started) == 1, "the first still runs"
    machine.end(0, b'{"blobs": 3, "bytes": 100, "problems": ["one"]}')
    assert scheduler.stats == {"collect": TaskStats(1, 0, 100, 1, NOW)}
    machine.advance(24 * HOUR)
    assert len(machine.started) == 2
    machine.end(0, b'{"blobs": 3, "bytes": 11, "dry_run": true}')
    machine.advance(24 * HOUR)
    machine.end(1)
    assert scheduler.stats == {"collect": TaskStats(2, 1, 100, 0, NOW)}


@pytest.mark.parametrize("output", [b"", b"no JSON"])
def test_one_that_fails_is_done_again_at_its_next_time(output, logged_failures):
    machine = Machine()
    start_scheduler(machine)
    machine.advance(HOUR)
    machine.end(1 if not output else 0, output)
    assert bool(logged_failures) == bool(output)
    logged_failures.clear()
    machine.advance(24 * HOUR)
    assert len(machine.started) == 2


def test_where_no_process_is_to_be_had_the_next_time_comes():
    machine = Machine()
    machine.refusals = 1
    start_scheduler(machine)
    machine.advance(HOUR)
    assert not machine.started
    machine.advance(24 * HOUR)
    assert len(machine.started) == 1


def test_an_interval_of_nothing_keeps_no_core_busy():
    machine = Machine()
    start_scheduler(machine, interval=0.0)
    machine.advance(0)
    machine.end(0, b"{}")
    machine.advance(0.5)
    assert len(machine.started) == 1
    machine.advance(0.5)
    assert len(machine.started) == 2


def test_stopping_ends_what_runs_and_begins_nothing_more():
    machine = Machine()
    scheduler = start_scheduler(machine)
    machine.advance(HOUR)
    stopped = []
    scheduler.stopService().addCallback(stopped.append)
    assert machine.signals == ["KILL"]
    assert len(stopped) == 1
    machine.advance(100 * HOUR)
    assert len(machine.started) == 1
    waiting = start_scheduler(machine)
    waiting.stopService()
    assert not machine.getDelayedCalls()
