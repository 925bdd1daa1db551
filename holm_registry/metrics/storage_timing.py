"""
The duration of the storage driver's operations, under the names of registry:2.

:see: distribution, ``registry/storage/driver/base/base.go``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from prometheus_client import CollectorRegistry, Histogram

from holm_registry.storage.local_driver import LocalDriver

P = ParamSpec("P")
T = TypeVar("T")

#: The operations of our driver, and the corresponding ones of registry:2.
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


class _TimedDriver:
    """Measures the operations of a driver, and passes on all other attributes."""

    def __init__(self, driver: LocalDriver, name: str, times: Histogram) -> None:
        self._driver = driver
        for verb, action in _ACTIONS.items():
            setattr(self, verb, _timed_call(getattr(driver, verb), times.labels(name, action)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)


def timed(driver: LocalDriver, name: str, registry: CollectorRegistry) -> LocalDriver:
    """
    Return a driver that measures the operations of another one.

    :param name: The driver's name in registry:2: ``filesystem``, ``inmemory``.
    """
    times = Histogram(
        "registry_storage_action_seconds",
        "Duration of the storage driver's operations.",
        ["driver", "action"],
        buckets=_BUCKETS,
        registry=registry,
    )
    return cast("LocalDriver", _TimedDriver(driver, name, times))


def _timed_call(function: Callable[P, T], times: Any) -> Callable[P, T]:
    observe = times.observe
    clock = time.perf_counter

    def timed(*args: P.args, **kwargs: P.kwargs) -> T:
        began = clock()
        try:
            return function(*args, **kwargs)
        finally:
            observe(clock() - began)

    return timed
