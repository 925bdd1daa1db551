"""
Ages, counts, digests and differences of sizes as people read them.
"""

from __future__ import annotations

from holm_registry.oci.sizes import format_size

_AGES = (
    (365 * 86400, "year"),
    (30 * 86400, "month"),
    (86400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
)


def delta_text(size_bytes: int) -> str:
    """Write a difference of sizes with its sign: ``+1.5 KiB``."""
    if size_bytes == 0:
        return "±0 B"
    sign = "+" if size_bytes > 0 else "\N{MINUS SIGN}"
    return sign + format_size(abs(size_bytes))


def age_text(seconds: float) -> str:
    """Write how long ago something was, in its largest unit: ``3 days ago``."""
    for length, name in _AGES:
        count = int(seconds // length)
        if count > 0:
            return f"{count_text(count, name)} ago"
    return "just now"


def short_digest(digest: str) -> str:
    """Return the first 12 hexadecimal digits of a digest."""
    return digest.partition(":")[2][:12] or digest[:12]


def count_text(count: int, noun: str, plural: str = "") -> str:
    """Write a number of things: ``1 tag``, ``2 tags``, ``1,200 tags``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
