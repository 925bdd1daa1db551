from __future__ import annotations

import re

_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_UNITS |= {f"{unit}I": 1024**power for power, unit in enumerate("KMGT", 1)}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?I?)B?")
_NAMES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Size(int):
    """A number of bytes."""

    __slots__ = ()


def parse_size(value: object) -> Size:
    """
    Parse a size: ``10GiB``, ``10Gi`` (Kubernetes), ``500MB``, or a number of bytes.

    :raises ValueError: It is not a size.
    """
    match = _SIZE.fullmatch(str(value).strip().upper())
    if match is None or match[2] not in _UNITS:
        raise ValueError("expected a size such as 10GiB, 500MB or a number of bytes")
    size = float(match[1]) * _UNITS[match[2]]
    if size >= 2**63:
        raise ValueError("expected a size of less than 8 EiB")
    return Size(size)


def format_size(size_bytes: float) -> str:
    """Format a size in units of 1024, with one decimal: ``12.3 MiB``; bytes without a decimal."""
    size, unit = float(size_bytes), 0
    # 1023.95 KiB would be rounded to 1024.0 KiB.
    while abs(size) >= (1023.95 if unit else 1023.5) and unit < len(_NAMES) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_NAMES[unit]}" if unit else f"{size:.0f} B"
