"""Delivery of events: in order, with retries, and without delaying requests."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.task import Clock

from holm_registry.notifications import sender as sender_module
from holm_registry.notifications.events import (
    Event,
    EventSource,
    EventTarget,
    RequestRecord,
    encode_event,
    make_envelope,
)
from holm_registry.notifications.queue import EventQueue
from holm_registry.notifications.sender import EndpointSender
from holm_registry.notifications.sink import MAX_BATCH, NotificationSink, Subscription
from holm_registry.threads import ImmediateThreads


class Endpoint:
    """Takes events as it is told to."""

    def __init__(self):
        self.answers = []
        self.bodies = []

    async def __call__(self, body):
        self.bodies.append(json.loads(body)["events"][0])
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Deferred):
            return await answer
        if isinstance(answer, Exception):
            return await fail(answer)
        return answer

    def taken(self):
        found, self.bodies = self.bodies, []
        return [each["n"] for each in found]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def endpoint():
    return Endpoint()


@pytest.fixture
def queue(tmp_path):
    return EventQueue(str(tmp_path / "queue"))


@pytest.fixture
def sender(clock, endpoint, queue):
    return made(clock, endpoint, queue)


def made(clock, endpoint, queue):
    return EndpointSender(
        "alice",
        queue,
        send=endpoint,
        reactor=clock,
        threads=ImmediateThreads(),
        backoff_seconds=1.0,
        threshold=3,
    )


def put(queue, *numbers):
    for number in numbers:
        queue.append(b'{"n":%d}' % number)


def test_what_waits_is_delivered_at_the_start_and_what_comes_when_it_comes(sender, endpoint, queue):
    put(queue, 1, 2)
    sender.startService()
    assert endpoint.taken() == [1, 2]
    put(queue, 3)
    sender.wake()
    assert endpoint.taken() == [3]
    assert (queue.pending, sender.successes, sender.failures) == (0, 3, 0)
    sender.stopService()


@pytest.mark.parametrize("answer", [Refused(), 500, 503, 408, 429, 404])
def test_what_is_not_taken_is_tried_again_in_its_turn(sender, endpoint, queue, clock, answer):
    endpoint.answers = [answer, answer]
    put(queue, 1, 2)
    sender.startService()
    assert endpoint.taken() == [1]
    clock.advance(0.5)
    assert endpoint.taken() == []
    clock.advance(0.5)
    assert endpoint.taken() == [1]
    clock.advance(1.0)
    assert endpoint.taken() == [1, 2]
    assert sender.failures == 2
    sender.stopService()


def test_the_wait_doubles_from_the_threshold_on_up_to_minutes(sender, endpoint, queue, clock):
    endpoint.answers = [500] * 20
    put(queue, 1)
    sender.startService()
    waits = []
    for _ in range(14):
        (call,) = clock.getDelayedCalls()
        waits.append(call.getTime() - clock.seconds())
        clock.advance(waits[-1])
    assert waits[:6] == [1.0, 1.0, 1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == sender_module.MAX_BACKOFF_SECONDS
    sender.stopService()
    assert not clock.getDelayedCalls()


def test_after_a_success_the_wait_is_short_again(sender, endpoint, queue, clock):
    endpoint.answers = [500] * 6 + [200, 500]
    put(queue, 1, 2)
    sender.startService()
    clock.pump([1.0, 1.0, 1.0, 2.0, 4.0, 8.0])
    (call,) = clock.getDelayedCalls()
    assert call.getTime() - clock.seconds() == 1.0
    sender.stopService()


def test_what_is_refused_for_good_is_given_up_and_the_next_has_its_turn(
    sender, endpoint, queue, clock
):
    endpoint.answers = [400] * sender_module.MAX_REFUSALS
    put(queue, 1, 2)
    sender.startService()
    clock.pump([300.0] * sender_module.MAX_REFUSALS)
    assert endpoint.taken() == [1] * sender_module.MAX_REFUSALS + [2]
    assert (queue.dead_letters, queue.pending) == (1, 0)
    assert sender.statuses == {"400": sender_module.MAX_REFUSALS, "200": 1}
    sender.stopService()


def test_a_server_that_only_fails_is_tried_for_ever(sender, endpoint, queue, clock):
    endpoint.answers = [500] * 100
    put(queue, 1)
    sender.startService()
    clock.pump([300.0] * 90)
    assert (queue.dead_letters, queue.pending) == (0, 1)
    sender.stopService()


def test_what_was_not_answered_when_it_stops_is_delivered_after_the_next_start(
    sender, endpoint, queue, clock
):
    endpoint.answers = [Deferred()]
    put(queue, 1, 2)
    sender.startService()
    sender.stopService()
    assert endpoint.taken() == [1]
    again = made(clock, endpoint, queue)
    again.startService()
    assert endpoint.taken() == [1, 2]
    again.stopService()


def test_a_queue_that_cannot_be_read_is_tried_again_later(
    sender, endpoint, queue, clock, monkeypatch
):
    put(queue, 1)

    def failing():
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(queue, "peek", failing)
        sender.startService()
    assert endpoint.taken() == []
    clock.advance(sender_module.MAX_BACKOFF_SECONDS)
    assert endpoint.taken() == [1]
    sender.stopService()


def event(action="push", media_type="a/b", **target):
    return Event(
        action=action,
        target=EventTarget(media_type=media_type, **target),
        request=RequestRecord("id", "1.2.3.4:5", "host", "PUT", "agent"),
        source=EventSource("here", "one"),
    )


def test_an_envelope_is_that_of_registry2():
    written_event = event(digest="sha256:1", repository="a", size=3, length=3, url="http://x")
    body = make_envelope(encode_event(written_event))
    assert body.startswith(b'{\n   "events": [\n      {\n         "id": "')
    (found,) = json.loads(body)["events"]
    assert found == {
        "id": written_event.id,
        "timestamp": written_event.timestamp,
        "action": "push",
        "target": {
            "mediaType": "a/b",
            "size": 3,
            "digest": "sha256:1",
            "length": 3,
            "repository": "a",
            "url": "http://x",
        },
        "request": {
            "id": "id",
            "addr": "1.2.3.4:5",
            "host": "host",
            "method": "PUT",
            "useragent": "agent",
        },
        "actor": {},
        "source": {"addr": "here", "instanceID": "one"},
    }


class CountingSender:
    """A sender that only counts how often it is woken."""

    def __init__(self, queue):
        self.queue = queue
        self.endpoint = "bob"
        self.woken = 0

    def wake(self):
        self.woken += 1

    def setServiceParent(self, parent):
        pass


@pytest.fixture
def sink(clock, queue):
    subscription = Subscription(CountingSender(queue), frozenset({"pull"}), frozenset({"x/y"}))
    return NotificationSink([subscription], clock, ImmediateThreads())


async def test_what_an_endpoint_ignores_is_not_kept_for_it(sink, queue):
    await sink.publish(event("push"))
    await sink.publish(event("pull"))
    await sink.publish(event("push", "x/y"))
    assert queue.pending == 1
    assert sink.subscriptions[0].sender.woken == 3


def test_pulls_are_gathered_for_a_moment_and_bounded(queue, clock):
    sink = NotificationSink([Subscription(CountingSender(queue))], clock, ImmediateThreads())
    sink.startService()
    for _ in range(MAX_BATCH + 5):
        sink.publish_soon(event("pull"))
    assert queue.pending == 0
    assert sink.lost == 5
    clock.advance(1.0)
    assert queue.pending == MAX_BATCH
    sink.publish_soon(event("pull"))
    sink.stopService()
    assert queue.pending == MAX_BATCH + 1
    assert not clock.getDelayedCalls()


async def test_a_queue_that_takes_nothing_fails_no_push(sink, queue, monkeypatch):
    def failing(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(queue, "append", failing)
    await sink.publish(event())
    assert sink.lost == 1
