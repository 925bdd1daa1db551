from __future__ import annotations

import re

from holm_registry.oci.numbers import parse_decimal

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")

#: The maximum of a Go duration: 63 bits of nanoseconds.
_MAX_SECONDS = 2.0**63 * 1e-9


class Duration(float):
    """A time span, in seconds."""

    __slots__ = ()


def parse_duration(value: object) -> Duration:
    """
    Parse a duration in Go's format: ``1h30m``, ``10s``, ``250ms``, or a number of nanoseconds.

    :raises ValueError: The text is not a duration, or negative.
    """
    text = str(value).strip()
    nanoseconds = parse_decimal(text)
    if nanoseconds is not None:
        return Duration(nanoseconds * 1e-9)
    if not text or _PART.sub("", text):
        raise ValueError("expected a duration such as 10s, 24h or 1h30m")
    seconds = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    if seconds > _MAX_SECONDS:
        raise ValueError("expected a duration of at most 290 years")
    return Duration(seconds)


def format_duration(duration: float) -> str:
    """Format a duration such that :func:`parse_duration` can parse it."""
    milliseconds = round(duration * 1000)
    if milliseconds % 1000:
        return f"{milliseconds}ms"
    seconds = milliseconds // 1000
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
