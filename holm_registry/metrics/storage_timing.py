"""
How long a store takes, by verb, under registry:2's names.

:see: distribution, ``registry/storage/driver/base/base.go``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prometheus_client import CollectorRegistry, Histogram

from holm_registry.storage.driver import Driver

P = ParamSpec("P")
T = TypeVar("T")

#: Our verbs, and what registry:2 calls what it does instead.
_ACTIONS = {
    "stat": "Stat",
    "read": "GetContent",
    "open": "Reader",
    "put": "PutContent",
    "refresh": "Touch",
    "delete": "Delete",
    "delete_folder": "Delete",
    "move": "Move",
    "folders": "List",
    "create_upload": "Writer",
    "open_upload": "Writer",
}

_BUCKETS = (0.00001, 0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class _Metered:
    """A driver whose verbs are timed; the others are the driver's own."""

    def __init__(self, driver: Driver, name: str, times: Histogram) -> None:
        self._driver = driver
        for verb, action in _ACTIONS.items():
            setattr(self, verb, _timed(getattr(driver, verb), times.labels(name, action)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)


def timed(driver: Driver, name: str, registry: CollectorRegistry) -> Driver:
    """
    Time a driver.

    :param name: What registry:2 calls it: ``filesystem``, ``inmemory``.
    """
    times = Histogram(
        "registry_storage_action_seconds",
        "How long the store took.",
        ["driver", "action"],
        buckets=_BUCKETS,
        registry=registry,
    )
    return cast("Driver", _Metered(driver, name, times))


def _timed(function: Callable[P, T], times: Any) -> Callable[P, T]:
    observe = times.observe
    clock = time.perf_counter

    def timed(*args: P.args, **kwargs: P.kwargs) -> T:
        began = clock()
        try:
            return function(*args, **kwargs)
        finally:
            observe(clock() - began)

    return timed
