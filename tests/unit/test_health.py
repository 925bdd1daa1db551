"""When checks are made, and from when on they count."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from holm_registry.health.checks import FileCheck, StorageCheck, Unhealthy
from holm_registry.health.monitor import TIMEOUT_SECONDS, HealthMonitor, Scheduled
from holm_registry.storage import layout
from holm_registry.storage.errors import StorageFull, StorageUnavailable
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.storage.readonly import ReadOnlyDriver
from holm_registry.threads import ImmediateThreads


class Patient:
    """Something that is as well as it is told to be."""

    name, kind = "patient", "test"

    def __init__(self):
        self.problem = None
        self.looks = 0
        self.waiting = None

    async def look(self):
        self.looks += 1
        if self.waiting is not None:
            await self.waiting
        if self.problem is not None:
            raise self.problem


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patient():
    return Patient()


def health(clock, patient, threshold=1):
    found = HealthMonitor(clock, [Scheduled(patient, 10.0, threshold)])
    found.startService()
    return found


def reasons(health):
    return [(each.check.name, each.reason) for each in health.failing()]


def test_a_check_is_made_at_once_and_then_at_its_interval(clock, patient):
    found = health(clock, patient)
    assert patient.looks == 1
    clock.pump([9.0, 1.0, 9.0])
    assert patient.looks == 2
    found.stopService()
    clock.advance(100.0)
    assert patient.looks == 2
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("threshold", [0, 1])
def test_a_failure_counts_until_the_next_success(clock, patient, threshold):
    found = health(clock, patient, threshold)
    patient.problem = Unhealthy("it hurts.")
    assert reasons(found) == []
    clock.advance(10.0)
    assert reasons(found) == [("patient", "it hurts")]
    patient.problem = None
    clock.advance(10.0)
    assert reasons(found) == []


def test_as_many_failures_in_a_row_count_as_the_threshold_says(clock, patient):
    patient.problem = StorageUnavailable("No space left on device")
    found = health(clock, patient, threshold=3)
    clock.advance(10.0)
    assert reasons(found) == []
    patient.problem, kept = None, patient.problem
    clock.advance(10.0)
    patient.problem = kept
    clock.pump([10.0, 10.0])
    assert reasons(found) == []
    clock.advance(10.0)
    assert reasons(found) == [("patient", "No space left on device")]


def test_what_does_not_answer_is_not_asked_again_before_it_has(clock, patient):
    patient.waiting = Deferred()
    found = health(clock, patient)
    clock.advance(10.0)
    assert patient.looks == 1
    assert reasons(found) == [("patient", "it does not answer")]
    clock.pump([10.0] * 10)
    assert patient.looks == 1
    waiting, patient.waiting = patient.waiting, None
    waiting.callback(None)
    assert reasons(found) == [("patient", "it does not answer")]
    clock.advance(10.0)
    assert patient.looks == 2
    assert reasons(found) == []


def test_a_look_that_takes_too_long_has_failed(clock, patient):
    found = HealthMonitor(clock, [Scheduled(patient, 1000.0)])
    patient.waiting = Deferred()
    found.startService()
    clock.advance(TIMEOUT_SECONDS - 1)
    assert reasons(found) == []
    clock.advance(1)
    assert reasons(found) == [("patient", "it does not answer")]
    patient.waiting.errback(Unhealthy("late"))
    assert reasons(found) == [("patient", "it does not answer")]


@pytest.fixture(params=["memory", "files"])
def driver(request, tmp_path):
    return MemoryDriver() if request.param == "memory" else FilesystemDriver(str(tmp_path))


async def test_a_store_that_works_is_well_and_left_as_it_was(driver):
    check = StorageCheck(driver, ImmediateThreads(), "filesystem")
    assert check.name == "storagedriver_filesystem"
    await check.look()
    assert not driver.objects(layout.ROOT)


@pytest.mark.parametrize("verb", ["put", "read", "delete"])
async def test_a_store_that_fails_at_anything_is_not_well(driver, monkeypatch, verb):
    def failing(*_):
        raise StorageUnavailable("No space left on device")

    monkeypatch.setattr(driver, verb, failing)
    with pytest.raises(StorageUnavailable, match="No space"):
        await StorageCheck(driver, ImmediateThreads(), "x").look()


async def test_a_store_that_gives_back_something_else_is_not_well(driver, monkeypatch):
    monkeypatch.setattr(driver, "read", lambda _: b"something else")
    with pytest.raises(Unhealthy, match="something else"):
        await StorageCheck(driver, ImmediateThreads(), "x").look()


async def test_of_a_read_only_store_only_reading_is_asked(driver, monkeypatch):
    store = ReadOnlyDriver(driver)
    check = StorageCheck(store, ImmediateThreads(), "x", read_only=True)
    await check.look()

    def failing(_):
        raise StorageUnavailable("Stale file handle")

    monkeypatch.setattr(driver, "folders", failing)
    with pytest.raises(StorageUnavailable):
        await check.look()


async def test_a_file_that_is_there_takes_the_registry_out_of_service(tmp_path):
    check = FileCheck(str(tmp_path / "down"), ImmediateThreads())
    await check.look()
    (tmp_path / "down").touch()
    with pytest.raises(Unhealthy, match="file exists"):
        await check.look()


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
        assert failing.still_serves
        assert failing.reason == "No space left on device: pulls and deletions go on"
    clock.advance(10.0)
    assert found.failing() == []
    monkeypatch.setattr(store, "put", lost)
    clock.advance(10.0)
    (failing,) = found.failing()
    assert not failing.still_serves


def lost(path, content):
    raise StorageUnavailable("Input/output error")
