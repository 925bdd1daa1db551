from __future__ import annotations

from holm_registry.verify.bandwidth_limit import BandwidthLimit


class Clock:
    def __init__(self):
        self.now = 100.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_as_much_is_read_in_a_second_as_may_be():
    clock = Clock()
    pace = BandwidthLimit(10.0, clock, clock.sleep)
    for _ in range(10):
        pace.spend(5)
        clock.now += 0.125
    assert clock.now == 100.0 + 50 / 10 + 0.125
    assert clock.slept == [0.5] + [0.375] * 9


def test_what_was_not_used_is_not_made_up_for():
    clock = Clock()
    pace = BandwidthLimit(10.0, clock, clock.sleep)
    clock.now += 1000
    pace.spend(10)
    pace.spend(10)
    assert clock.slept == [0.0, 1.0]


def test_without_a_limit_nobody_waits():
    clock = Clock()
    BandwidthLimit(None, clock, clock.sleep).spend(10**12)
    assert clock.slept == []
