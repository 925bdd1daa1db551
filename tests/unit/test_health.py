"""When health checks run, and when a failure counts."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from holm_registry.health.checks import FileCheck, StorageCheck, Unhealthy
from holm_registry.health.monitor import TIMEOUT_SECONDS, HealthMonitor, ScheduledCheck
from holm_registry.storage import layout
from holm_registry.storage.errors import StorageFull, StorageUnavailable
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.storage.readonly import ReadOnlyDriver
from holm_registry.threads import ImmediateThreads


class FakeCheck:
    """A check whose result the test sets."""

    name, kind = "check", "test"

    def __init__(self):
        self.problem = None
        self.runs = 0
        self.waiting = None

    async def run(self):
        self.runs += 1
        if self.waiting is not None:
            await self.waiting
        if self.problem is not None:
            raise self.problem


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def check():
    return FakeCheck()


def health(clock, check, threshold=1):
    found = HealthMonitor(clock, [ScheduledCheck(check, 10.0, threshold)])
    found.startService()
    return found


def reasons(health):
    return [(failed.check.name, failed.reason) for failed in health.failing()]


def test_a_check_is_made_at_once_and_then_at_its_interval(clock, check):
    found = health(clock, check)
    assert check.runs == 1
    clock.pump([9.0, 1.0, 9.0])
    assert check.runs == 2
    found.stopService()
    clock.advance(100.0)
    assert check.runs == 2
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("threshold", [0, 1])
def test_a_failure_counts_until_the_next_success(clock, check, threshold):
    found = health(clock, check, threshold)
    check.problem = Unhealthy("it hurts.")
    assert reasons(found) == []
    clock.advance(10.0)
    assert reasons(found) == [("check", "it hurts")]
    check.problem = None
    clock.advance(10.0)
    assert reasons(found) == []


def test_as_many_failures_in_a_row_count_as_the_threshold_says(clock, check):
    check.problem = StorageUnavailable("No space left on device")
    found = health(clock, check, threshold=3)
    clock.advance(10.0)
    assert reasons(found) == []
    check.problem, kept = None, check.problem
    clock.advance(10.0)
    check.problem = kept
    clock.pump([10.0, 10.0])
    assert reasons(found) == []
    clock.advance(10.0)
    assert reasons(found) == [("check", "No space left on device")]


def test_what_does_not_answer_is_not_asked_again_before_it_has(clock, check):
    check.waiting = Deferred()
    found = health(clock, check)
    clock.advance(10.0)
    assert check.runs == 1
    assert reasons(found) == [("check", "timed out")]
    clock.pump([10.0] * 10)
    assert check.runs == 1
    waiting, check.waiting = check.waiting, None
    waiting.callback(None)
    assert reasons(found) == [("check", "timed out")]
    clock.advance(10.0)
    assert check.runs == 2
    assert reasons(found) == []


def test_a_check_that_takes_too_long_has_failed(clock, check):
    found = HealthMonitor(clock, [ScheduledCheck(check, 1000.0)])
    check.waiting = Deferred()
    found.startService()
    clock.advance(TIMEOUT_SECONDS - 1)
    assert reasons(found) == []
    clock.advance(1)
    assert reasons(found) == [("check", "timed out")]
    check.waiting.errback(Unhealthy("late"))
    assert reasons(found) == [("check", "timed out")]


@pytest.fixture(params=["memory", "files"])
def driver(request, tmp_path):
    return MemoryDriver() if request.param == "memory" else FilesystemDriver(str(tmp_path))


async def test_a_store_that_works_is_well_and_left_as_it_was(driver):
    check = StorageCheck(driver, ImmediateThreads(), "filesystem")
    assert check.name == "storagedriver_filesystem"
    await check.run()
    assert not driver.objects(layout.ROOT)


@pytest.mark.parametrize("verb", ["put", "read", "delete"])
async def test_a_store_that_fails_at_anything_is_not_well(driver, monkeypatch, verb):
    def failing(*_):
        raise StorageUnavailable("No space left on device")

    monkeypatch.setattr(driver, verb, failing)
    with pytest.raises(StorageUnavailable, match="No space"):
        await StorageCheck(driver, ImmediateThreads(), "x").run()


async def test_a_store_that_gives_back_something_else_is_not_well(driver, monkeypatch):
    monkeypatch.setattr(driver, "read", lambda _: b"something else")
    with pytest.raises(Unhealthy, match="different content"):
        await StorageCheck(driver, ImmediateThreads(), "x").run()


async def test_of_a_read_only_store_only_reading_is_asked(driver, monkeypatch):
    store = ReadOnlyDriver(driver)
    check = StorageCheck(store, ImmediateThreads(), "x", read_only=True)
    await check.run()

    def failing(_):
        raise StorageUnavailable("Stale file handle")

    monkeypatch.setattr(driver, "folders", failing)
    with pytest.raises(StorageUnavailable):
        await check.run()


async def test_a_file_that_is_there_takes_the_registry_out_of_service(tmp_path):
    check = FileCheck(str(tmp_path / "down"), ImmediateThreads())
    await check.run()
    (tmp_path / "down").touch()
    with pytest.raises(Unhealthy, match="file exists"):
        await check.run()


def test_a_full_disk_is_told_and_keeps_nobody_from_deleting(clock, tmp_path, monkeypatch):
    store = FilesystemDriver(str(tmp_path))
    check = StorageCheck(store, ImmediateThreads(), "filesystem")
    found = health(clock, check)
    assert found.failing() == []

    def full(path, content):
        raise StorageFull("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", full)
        clock.advance(10.0)
        (failing,) = found.failing()
        assert failing.is_degraded
        assert failing.reason == "No space left on device: pulls and deletions still work"
    clock.advance(10.0)
    assert found.failing() == []
    monkeypatch.setattr(store, "put", lost)
    clock.advance(10.0)
    (failing,) = found.failing()
    assert not failing.is_degraded


def lost(path, content):
    raise StorageUnavailable("Input/output error")
