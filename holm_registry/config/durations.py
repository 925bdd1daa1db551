from __future__ import annotations

import re

from holm_registry.oci.numbers import parse_decimal

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")

#: What 63 bits of nanoseconds hold.
_MAX_SECONDS = 2.0**63 * 1e-9


class Duration(float):
    """A time span, in seconds."""

    __slots__ = ()


def parse_duration(value: object) -> Duration:
    """
    Read a duration as Go writes it: ``1h30m``, ``10s``, ``250ms``, or a number of nanoseconds.

    :raises ValueError: It is not one, or negative.
    """
    text = str(value).strip()
    nanoseconds = parse_decimal(text)
    if nanoseconds is not None:
        return Duration(nanoseconds * 1e-9)
    if not text or _PART.sub("", text):
        raise ValueError("expected a duration such as 10s, 24h or 1h30m")
    seconds = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    if seconds > _MAX_SECONDS:
        raise ValueError("expected a duration of no more than 290 years, as Go's")
    return Duration(seconds)


def format_duration(duration: float) -> str:
    """Write a duration so that it can be read again."""
    whole = round(duration * 1000)
    if whole % 1000:
        return f"{whole}ms"
    seconds = whole // 1000
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
