"""Waiting for what another process or thread does, and for no longer than it can take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: How long anything that is waited for may take, in seconds: much longer than it ever takes.
MOST_SECONDS = 60.0

#: How long after one look the next is, in seconds.
_STEP_SECONDS = 0.01


def wait_until(holds: Callable[[], T], tell: Callable[[], object] = str) -> T:
    """
    Wait until something is true of something, and give what it was.

    :param tell: Says, where it never comes true, what there is instead.
    """
    deadline = time.monotonic() + MOST_SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, tell() or "it did not come true"
        time.sleep(_STEP_SECONDS)
    return found
