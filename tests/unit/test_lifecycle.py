"""The order in which the parts of a process start and stop."""

from __future__ import annotations

import pytest
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from holm_registry.server.lifecycle import Lifecycle


class Part(Service):
    """A service that records its calls, and stops when the test fires `ends`."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self._calls = None, calls
        self.label = name
        self.ends = Deferred()

    def startService(self):
        super().startService()
        self._calls.append(f"+{self.label}")

    def stopService(self):
        super().stopService()
        self._calls.append(f"-{self.label}")
        return self.ends

    # A pool has these names for the same.
    start, stop = startService, stopService


@pytest.fixture
def calls():
    return []


@pytest.fixture
def parts(calls):
    return [Part(name, calls) for name in ("site", "debug", "service", "pool")]


@pytest.fixture
def lifecycle(parts):
    site, debug, service, pool = parts
    return Lifecycle([site, debug], [service], [pool])


def test_sites_drain_before_services_end_and_pools_are_last(lifecycle, parts, calls):
    site, debug, service, pool = parts
    lifecycle.startService()
    assert calls == ["+pool", "+service", "+site", "+debug"]
    calls.clear()
    ended = lifecycle.stopService()
    assert calls == ["-site", "-debug"]
    debug.ends.callback(None)
    assert calls == ["-site", "-debug"], "a request is in flight still"
    site.ends.callback(None)
    assert calls[2:] == ["-service"]
    service.ends.callback(None)
    assert calls[3:] == ["-pool"]
    assert not ended.called
    pool.ends.callback(None)
    assert ended.called


def test_what_fails_keeps_nothing_else_from_ending(lifecycle, parts, calls):
    lifecycle.startService()
    ended = lifecycle.stopService()
    for part in parts:
        part.ends.errback(RuntimeError(part.label))
    assert calls[4:] == ["-site", "-debug", "-service", "-pool"]
    failures = []
    ended.addErrback(failures.append)
    assert failures[0].check(RuntimeError)
