"""Threads, and their end."""

from __future__ import annotations

import threading

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from holm_registry.threads import PooledThreads, ThreadsStopped


@pytest_twisted.ensureDeferred
async def test_what_was_begun_has_its_result_before_the_threads_have_ended():
    threads = PooledThreads(reactor, 1)
    threads.start()
    may_go_on, results = threading.Event(), []
    for number in range(3):
        threads.run(may_go_on.wait).addCallback(lambda _, number=number: results.append(number))
    ended = threads.stop()
    assert not ended.called
    may_go_on.set()
    await ended
    assert results == [0, 1, 2]


@pytest_twisted.ensureDeferred
async def test_what_comes_too_late_fails_and_does_not_wait_for_ever():
    threads = PooledThreads(reactor, 1)
    threads.start()
    await threads.stop()
    failed = []
    threads.run(len, "").addErrback(failed.append)
    assert failed[0].check(ThreadsStopped)
    assert threads.stop().called, "once is enough"


@pytest_twisted.ensureDeferred
async def test_a_thread_that_hangs_does_not_keep_the_process(monkeypatch):
    monkeypatch.setattr("holm_registry.threads.STOP_TIMEOUT_SECONDS", 0.01)
    threads, goes_on = PooledThreads(reactor, 1), threading.Event()
    threads.start()
    hanging: Deferred = threads.run(goes_on.wait)
    await threads.stop()
    assert not hanging.called
    goes_on.set()
    await hanging
