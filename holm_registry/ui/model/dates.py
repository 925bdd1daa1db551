"""
When something was built, as far as what it says can be true.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

#: Docker appeared in March 2013, so no image is older. Earlier dates are what tools write so that
#: each build gives the same bytes: 1970 (SOURCE_DATE_EPOCH=0), 1980 (zip files, buildpacks), 1985
#: (npm), and the year 1, which is how Go writes a time that was never set.
_EARLIEST = datetime(2013, 1, 1, tzinfo=UTC)

#: By how much the clock of the machine that built something may be ahead of ours.
_CLOCK_SKEW = timedelta(minutes=5)

_MAX_CHARACTERS = 64


def parse_time(text: str) -> datetime | None:
    """Read a time as images hold it (RFC 3339, up to nanoseconds); None if the text is no time."""
    trimmed = text.strip()
    if len(trimmed) > _MAX_CHARACTERS or "T" not in trimmed.upper():
        return None
    try:
        found = datetime.fromisoformat(trimmed.upper())
    except ValueError:
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None


def build_date(text: str, now: datetime | None = None) -> datetime | None:
    """
    Return the time at which something was built; None if the text is not a real build date.

    Reproducible builds write a fixed date, and clocks may be wrong: a date before the first image
    format, or in the future, is not when something was built.

    :param now: The present time; the system's clock if None.
    """
    found = parse_time(text)
    if found is None or not _EARLIEST <= found <= (now or datetime.now(UTC)) + _CLOCK_SKEW:
        return None
    return found


def recorded_date(text: str) -> str:
    """
    Return a date as it is remembered: in UTC, so that later ones are greater.

    A text that is not a time is returned as it is, cut to 64 characters.
    """
    found = parse_time(text)
    if found is None:
        return text.strip()[:_MAX_CHARACTERS]
    return found.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def first_build_date(*texts: str) -> str:
    """Return the first text that is a real build date, or else the first that is not empty."""
    real = (text for text in texts if build_date(text) is not None)
    return next(real, next(filter(None, texts), ""))


def newest_build_date(texts: Iterable[str]) -> str:
    """Return the newest real build date, or else any of the texts."""
    found = list(filter(None, texts))
    real = [text for text in found if build_date(text) is not None]
    return max(real or found, default="")
