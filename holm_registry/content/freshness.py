"""
Keeping what is in use from being collected.

A collection removes only blobs whose bytes were neither written nor refreshed for a while (the
grace, an hour by default). So whoever tells a client that a blob exists refreshes it first: the
client has that long to push a manifest that names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from holm_registry.storage.driver import Driver, Stat

#: A blob this fresh needs no refreshing; far below any grace that makes sense.
FRESH_SECONDS = 1.0


def stat_refreshed(driver: Driver, path: str, seconds: Callable[[], float] = time.time) -> Stat:
    """
    Look at a blob's bytes, having made sure that no collection will take them soon.

    :raises NotFound: They are gone.
    """
    stat = driver.stat(path)
    if not 0 <= seconds() - stat.modified < FRESH_SECONDS:
        driver.refresh(path)
    return stat
