"""
What an image runs on, written the way clients take it.
"""

from __future__ import annotations

from collections.abc import Iterable

#: Shown first, in this order; everything else follows from A to Z.
_FIRST = ("linux/amd64", "linux/arm64")


def platform_text(os: str | None, architecture: str | None, variant: str | None = "") -> str:
    """Write ``os/architecture/variant``; empty where nothing is known or an entry has none."""
    parts = [part or "unknown" for part in (os, architecture)]
    if parts == ["unknown", "unknown"]:
        return ""
    # Every arm64 is v8, and some builders say so.
    redundant = (architecture, variant) == ("arm64", "v8")
    return "/".join([*parts, *([variant] if variant and not redundant else [])])


def in_order(platforms: Iterable[str]) -> tuple[str, ...]:
    """Order platforms the same way everywhere, each once."""

    def key(platform: str) -> tuple[int, str]:
        return (_FIRST.index(platform) if platform in _FIRST else len(_FIRST), platform)

    return tuple(sorted(set(platforms) - {""}, key=key))
