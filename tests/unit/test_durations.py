from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("10s", 10),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("0", 0),
        ("10", 1e-8),
        (0, 0),
        (10_000_000_000, 10),
        ("168h", 604800),
        ("1m0.5s", 60.5),
        ("2us", 2e-6),
    ],
)
def test_durations_of_go_are_parsed(value, seconds):
    assert parse_duration(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "s", "-1s", -1, True, None, "10 s", "1d", 1.5, []])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@given(st.integers(0, 10**9))
def test_parsing_reverses_formatting(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(
        milliseconds / 1000
    )
