"""Whose turn it is to have a thread."""

from __future__ import annotations

import threading
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from holm_registry.config.storage import FilesystemSection, StorageSection
from holm_registry.server.builder import build_threads
from holm_registry.threads import PooledThreads, WorkQueue

KINDS = st.sampled_from("abcde")


@given(
    count=st.integers(1, 8),
    reserved=st.integers(0, 3),
    steps=st.lists(st.one_of(KINDS, st.integers(0, 99))),
)
def test_no_kind_takes_all_threads_and_all_work_begins_in_order(count, reserved, steps):
    """A letter is work of that kind that comes, a number the running work that ends."""
    reserved = min(reserved, count - 1)
    queue, running, begun, come = WorkQueue(count, reserved), [], {}, {}

    def begin(works):
        for kind, number in works:
            running.append(kind)
            begun.setdefault(kind, []).append(number)
        assert len(running) <= count

    def end(number):
        kind = running.pop(number % len(running))
        begin(queue.finish(kind))

    for step in steps:
        if isinstance(step, str):
            come[step] = come.get(step, 0) + 1
            is_first = step not in running and len(running) < count
            begin(queue.add(step, (step, come[step])))
            assert not is_first or step in running, "a kind with nothing running begins at once"
        elif running:
            end(step)
        assert queue.waiting == sum(come.values()) - sum(map(len, begun.values()))
        for kind in running:
            assert running.count(kind) <= count - reserved
    while running:
        end(0)
    assert begun == {kind: list(range(1, number + 1)) for kind, number in come.items()}


class AtOnce(Clock):
    """A reactor for which every thread is its own."""

    def callFromThread(self, function, *args):
        function(*args)


def stop(threads) -> None:
    """End threads, and wait for it."""
    ended = threading.Event()
    threads.stop().addCallback(lambda _: ended.set())
    assert ended.wait(60)


class Held:
    """Work that takes until it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def hold(self, *_):
        self.begun.release()
        self.go.wait()

    def quick(self):
        return "done"


def test_work_of_one_kind_never_keeps_another_from_its_thread():
    threads, held = PooledThreads(AtOnce(), 8, 2), Held()
    threads.start()
    slow = [threads.run(partial(held.hold, number)) for number in range(20)]
    for _ in range(6):
        held.begun.acquire()
    assert threads.waiting() == 14
    done = threading.Event()
    threads.run(held.quick).addCallback(lambda _: done.set())
    # Without a thread of its own it would wait for ever.
    done.wait()
    held.go.set()
    stop(threads)
    assert all(each.called for each in slow), "what waits at the end is done"


def test_what_fails_makes_room_as_well():
    threads, held = PooledThreads(AtOnce(), 4, 1), Held()
    threads.start()
    failures = []

    def fail():
        held.go.wait()
        raise ValueError

    for _ in range(10):
        threads.run(fail).addErrback(lambda failure: failures.append(failure.check(ValueError)))
    held.go.set()
    stop(threads)
    assert failures == [ValueError] * 10
    assert threads.waiting() == 0


def test_a_registry_keeps_threads_for_other_kinds_of_requests():
    threads = build_threads(StorageSection(filesystem=FilesystemSection()), AtOnce())
    assert (threads._queue._count, threads._queue._shared) == (16, 12)
