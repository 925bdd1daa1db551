"""The order in which a process begins and ends."""

from __future__ import annotations

import pytest
from twisted.application.service import Service
from twisted.internet.defer import Deferred

from holm_registry.server.lifecycle import Lifecycle


class Part(Service):
    """Tells when it begins and ends, and ends when told."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self._told = None, told
        self.label = name
        self.ends = Deferred()

    def startService(self):
        super().startService()
        self._told.append(f"+{self.label}")

    def stopService(self):
        super().stopService()
        self._told.append(f"-{self.label}")
        return self.ends

    # A pool has these names for the same.
    start, stop = startService, stopService


@pytest.fixture
def told():
    return []


@pytest.fixture
def parts(told):
    return [Part(name, told) for name in ("site", "debug", "service", "pool")]


@pytest.fixture
def lifecycle(parts):
    site, debug, service, pool = parts
    return Lifecycle([site, debug], [service], [pool])


def test_sites_drain_before_services_end_and_pools_are_last(lifecycle, parts, told):
    site, debug, service, pool = parts
    lifecycle.startService()
    assert told == ["+pool", "+service", "+site", "+debug"]
    told.clear()
    ended = lifecycle.stopService()
    assert told == ["-site", "-debug"]
    debug.ends.callback(None)
    assert told == ["-site", "-debug"], "a request is in flight still"
    site.ends.callback(None)
    assert told[2:] == ["-service"]
    service.ends.callback(None)
    assert told[3:] == ["-pool"]
    assert not ended.called
    pool.ends.callback(None)
    assert ended.called


def test_what_fails_keeps_nothing_else_from_ending(lifecycle, parts, told):
    lifecycle.startService()
    ended = lifecycle.stopService()
    for part in parts:
        part.ends.errback(RuntimeError(part.label))
    assert told[4:] == ["-site", "-debug", "-service", "-pool"]
    failures = []
    ended.addErrback(failures.append)
    assert failures[0].check(RuntimeError)
