"""What is remembered, for how long, and how much of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from holm_registry.ui.client.concurrency import ConcurrencyLimit, for_each
from holm_registry.ui.client.single_flight import SingleFlight, with_deadline
from holm_registry.ui.errors import RegistryUnreachable
from holm_registry.ui.model.manifest_summary import summarize_config, summarize_manifest
from holm_registry.ui.model.summaries import ContentSet, summary_of
from holm_registry.ui.state.content_cache import ContentCache, SizedLRU
from holm_registry.ui.state.visitor_cache import MAX_VISITORS, VisitorCaches

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
fields = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "annotations", "subject"]
)


@given(st.dictionaries(fields, json_values) | json_values)
def test_whatever_a_manifest_says_it_can_be_summed_up(document):
    content = json.dumps(document).encode()
    contents = ContentCache()
    contents.learn(summarize_manifest("sha256:1", "x", content))
    assert summary_of(contents, "sha256:1") is not None
    summarize_config(content)


@pytest.mark.parametrize("content", [b"", b"\xff", b"null", b"[[" * 5000])
def test_content_that_is_no_json_is_odd(content):
    assert summarize_manifest("sha256:1", "x", content).parse_error
    assert summarize_config(b"[" * 100_000).parse_error


def index_of(*children: str) -> bytes:
    return json.dumps({"manifests": [{"digest": child, "size": 1} for child in children]}).encode()


def test_an_index_that_holds_itself_ends():
    contents = ContentCache()
    contents.learn(summarize_manifest("a", "x", index_of("b", "a")))
    contents.learn(summarize_manifest("b", "x", index_of("a", "b")))
    content = ContentSet()
    content.add(contents, "a")
    assert content.total_bytes > 0
    assert summary_of(contents, "a") is not None


def test_sizes_that_cannot_be_count_for_nothing():
    layers = [{"digest": "sha256:1", "size": -5}, {"digest": "sha256:2", "size": 7}]
    contents = ContentCache()
    contents.learn(summarize_manifest("a", "x", json.dumps({"layers": layers}).encode()))
    assert summary_of(contents, "a").size == 7


def test_a_budget_is_kept_and_what_is_used_stays():
    budgeted: SizedLRU[int] = SizedLRU(100)
    for number in range(10):
        budgeted.put(str(number), number, 20)
        assert budgeted.get("0") == 0
    assert budgeted.cost_bytes <= 100
    assert budgeted.peek("1") is None
    budgeted.put("huge", 1, 101)
    assert budgeted.peek("huge") is None
    budgeted.put("0", 5, 30)
    assert budgeted.cost_bytes <= 100


def test_only_so_many_logins_are_told_apart():
    libraries = VisitorCaches()
    first = libraries.of("one")
    assert libraries.of("one") is first
    for number in range(MAX_VISITORS):
        libraries.of(str(number))
    assert libraries.of("one") is not first


def test_work_is_done_once_for_all_who_wait():
    flights, work, begun = SingleFlight(), Deferred(), []

    async def start():
        begun.append(1)
        await work

    first, second = flights.join("key", start), flights.join("key", start)
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()
    assert flights.in_progress("key")
    work.callback(None)
    assert second.called
    assert begun == [1]
    assert not flights.in_progress("key")


def test_each_who_waits_is_told_of_a_failure():
    flights, work = SingleFlight(), Deferred()

    async def start():
        await work

    told = [flights.join("key", start) for _ in range(3)]
    problems = []
    for one in told:
        one.addErrback(lambda failure: problems.append(failure.value))
    work.errback(RegistryUnreachable("gone"))
    assert [str(problem) for problem in problems] == ["gone"] * 3


def test_a_fault_that_nobody_waits_for_is_logged(logged_failures):
    flights, work = SingleFlight(), Deferred()

    async def start():
        await work

    flights.begin("key", start)
    work.errback(ValueError("a fault"))
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_patience_ends_and_the_work_goes_on(logged_failures):
    clock, work = Clock(), Deferred()

    async def start():
        await work

    waiting = with_deadline(clock, 1, start)
    clock.advance(1)
    assert waiting.result is False
    work.errback(ValueError("late"))
    assert len(logged_failures) == 1
    logged_failures.clear()
    assert with_deadline(clock, 1, Deferred) is not None


def test_whoever_is_waited_for_goes_first():
    gate, inside, release = ConcurrencyLimit(4), [], []

    async def go(name: str, *, background: bool) -> None:
        async with gate.entered(background=background):
            inside.append(name)
            leaving: Deferred[None] = Deferred()
            release.append(leaving)
            await leaving

    for number in range(4):
        Deferred.fromCoroutine(go(f"behind{number}", background=True))
    assert inside == ["behind0", "behind1", "behind2"]
    for number in range(4):
        Deferred.fromCoroutine(go(f"front{number}", background=False))
    assert inside == ["behind0", "behind1", "behind2", "front0"]
    for number in range(3):
        release[number].callback(None)
        assert inside[4 + number :] == [f"front{number + 1}"]
    release[3].callback(None)
    assert inside[7:] == ["behind3"]


def test_a_thousand_short_stays_pile_up_no_stack():
    gate, left = ConcurrencyLimit(1), []

    async def go(number: int, leaving: Deferred[None] | None) -> None:
        async with gate.entered():
            if leaving is not None:
                await leaving
        left.append(number)

    first: Deferred[None] = Deferred()
    for number in range(3000):
        Deferred.fromCoroutine(go(number, None if number else first))
    first.callback(None)
    assert len(left) == 3000


def test_whoever_leaves_the_queue_gives_up_the_place():
    gate = ConcurrencyLimit(1)
    inside = []

    async def go(name: str, leaving: Deferred[None]) -> None:
        async with gate.entered():
            inside.append(name)
            await leaving

    first: Deferred[None] = Deferred()
    third: Deferred[None] = Deferred()
    Deferred.fromCoroutine(go("first", first))
    second = Deferred.fromCoroutine(go("second", Deferred()))
    Deferred.fromCoroutine(go("third", third))
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    first.callback(None)
    assert inside == ["first", "third"]
    third.callback(None)


def test_after_the_first_failure_nothing_more_is_begun():
    started, ended, held = [], [], {}

    async def work(number: int) -> None:
        started.append(number)
        if number == 2:
            raise RegistryUnreachable("gone")
        held[number] = Deferred()
        await held[number]
        ended.append(number)

    problems = []
    Deferred.fromCoroutine(for_each(range(100), work, at_once=3)).addErrback(
        lambda failure: problems.append(failure.value)
    )
    assert isinstance(problems[0], RegistryUnreachable)
    for waiting in list(held.values()):
        waiting.callback(None)
    assert ended == [0, 1]
    assert started == [0, 1, 2]


def test_whoever_gives_up_on_all_gives_up_on_each():
    cancelled = []

    async def work(number: int) -> None:
        try:
            await Deferred()
        except CancelledError:
            cancelled.append(number)
            raise

    everything = Deferred.fromCoroutine(for_each(range(100), work, at_once=3))
    everything.addErrback(lambda failure: failure.trap(CancelledError))
    everything.cancel()
    assert cancelled == [0, 1, 2]
