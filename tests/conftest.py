"""What every test gets: hypothesis without deadlines, and no failure that is only logged."""

from __future__ import annotations

import gc
import os
import secrets
import shutil

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import globalLogBeginner, globalLogPublisher

settings.register_profile(
    "suite",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
settings.register_profile("stress", parent=settings.get_profile("suite"), max_examples=2000)


def pytest_addoption(parser):
    parser.addoption("--stress", action="store_true", help="run for long, and more of everything")
    parser.addoption("--pictures", help="folder to put pictures of the UI into")


#: Where files are kept in memory, and how much of it has to be free, in bytes.
MEMORY_FOLDER = "/dev/shm"
MEMORY_BYTES = 6 * 1024**3


def pytest_configure(config):
    settings.load_profile("stress" if config.getoption("--stress") else "suite")
    if config.option.basetemp is None and has_memory_for_files():
        # Most of the time of a test on files would be spent waiting for the disk to sync.
        # Named by hexadecimal digits: podman names an image by its folder, and such a name may not
        # end with an underscore, as the folders of `tempfile` sometimes do.
        config.option.basetemp = f"{MEMORY_FOLDER}/holm-tests-{secrets.token_hex(8)}"
        os.mkdir(config.option.basetemp, 0o700)
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


def has_memory_for_files() -> bool:
    try:
        return shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_BYTES
    except OSError:
        return False


def pytest_sessionstart():
    # Until logging begins Twisted keeps the last 65,536 events, and each its site and its store.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--pictures"):
        items[:] = [item for item in items if item.get_closest_marker("pictures") is None]


def pytest_collection_finish(session):
    # What was imported stays: without it, looking for lost failures after each test is quick.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logged_failures():
    """Fail a test in which anything was logged as a failure; clear the list to say it was meant."""
    failures = []

    def observe(event):
        if event.get("log_failure") is not None:
            failures.append(event["log_failure"])

    globalLogPublisher.addObserver(observe)
    yield failures
    gc.collect()
    globalLogPublisher.removeObserver(observe)
    assert not failures, "\n".join(failure.getTraceback() for failure in failures)


@pytest.fixture(scope="session")
def required_clients() -> bool:
    """Tell whether a client that is not installed fails its tests rather than skip them."""
    return bool(os.environ.get("HOLM_REQUIRE_CLIENTS"))
