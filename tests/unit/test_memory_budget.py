"""One sum for all that requests keep in memory."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from holm_registry.http.memory_budget import EVICTION_SECONDS, SMALL_BYTES, MemoryBudget

TOTAL = 10 * SMALL_BYTES


class Holder:
    """Keeps something until told."""

    def __init__(self, context) -> None:
        self.begun = self.ended = False
        self._ends = Deferred()
        self.running = Deferred.fromCoroutine(self._run(context))
        self.running.addErrback(lambda failure: failure.trap(CancelledError))

    async def _run(self, context) -> None:
        async with context:
            self.begun = True
            await self._ends
        self.ended = True

    def end(self) -> None:
        if not self._ends.called:
            self._ends.callback(None)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def memory(clock):
    memory = MemoryBudget(clock, TOTAL)
    yield memory
    assert memory.used_bytes == 0
    assert not clock.getDelayedCalls()


def test_what_does_not_fit_waits_in_its_turn(memory):
    first, second, third = (Holder(memory.reserve(share * TOTAL // 10)) for share in (8, 5, 2))
    assert [each.begun for each in (first, second, third)] == [True, False, False]
    first.end()
    assert [each.begun for each in (second, third)] == [True, True]
    second.end()
    third.end()


def test_what_is_small_waits_for_nothing_and_what_is_too_large_has_all(memory):
    all_of_it = Holder(memory.reserve(100 * TOTAL))
    small = Holder(memory.reserve(SMALL_BYTES))
    assert (all_of_it.begun, small.begun) == (True, True)
    assert memory.used_bytes == TOTAL + SMALL_BYTES
    small.end()
    all_of_it.end()


def test_bodies_are_part_of_the_sum(memory):
    memory.add(TOTAL)
    waiting = Holder(memory.reserve(TOTAL // 2))
    memory.free(TOTAL // 4)
    assert not waiting.begun
    memory.free(TOTAL // 4)
    assert waiting.begun
    memory.free(TOTAL // 2)
    waiting.end()


def test_who_leaves_waits_no_more(memory):
    first = Holder(memory.reserve(TOTAL))
    gone, last = Holder(memory.reserve(TOTAL)), Holder(memory.reserve(TOTAL))
    gone.running.cancel()
    first.end()
    assert (gone.begun, last.begun) == (False, True)
    last.end()


def test_what_several_answers_share_is_counted_once(memory):
    holders = [Holder(memory.reserve_shared("name", TOTAL, lambda: None)) for _ in range(5)]
    assert all(each.begun for each in holders)
    assert memory.used_bytes == TOTAL
    for each in holders:
        each.end()


def test_an_answer_that_is_not_read_gives_way_to_those_who_wait(memory, clock):
    given_up = []
    with_nobody_waiting = Holder(memory.reserve_shared("a", TOTAL, lambda: given_up.append("a")))
    clock.advance(10 * EVICTION_SECONDS)
    assert not given_up
    waiting = Holder(memory.reserve(TOTAL))
    clock.advance(EVICTION_SECONDS)
    assert given_up == ["a"]
    with_nobody_waiting.end()
    assert waiting.begun
    waiting.end()


def test_shares_shrink_with_their_number_and_have_a_floor(memory):
    memory.bodies = 2
    assert memory.share_bytes() == TOTAL // 8
    memory.bodies = 10_000
    assert 0 < memory.share_bytes() <= 4096
    memory.readers = 10_000
    assert 0 < memory.step_bytes() <= 16 * 1024
