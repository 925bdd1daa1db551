"""
The health checks of a configuration.
"""

from __future__ import annotations

from typing import Any

from holm_registry.config.model import Config
from holm_registry.health.checks import StorageCheck
from holm_registry.health.monitor import HealthMonitor
from holm_registry.health.schedule import scheduled_checks
from holm_registry.storage.driver import Driver
from holm_registry.threads import PooledThreads

from .content import driver_name

#: Checks have threads of their own, and more than one: a check that hangs must delay neither
#: requests nor the other checks.
HEALTH_THREADS = 2


def build_health(config: Config, driver: Driver, reactor: Any) -> HealthMonitor:
    """Make the service that runs the health checks."""
    read_only = config.storage.maintenance.readonly.enabled
    threads = PooledThreads(reactor, HEALTH_THREADS)
    storage = StorageCheck(driver, threads, driver_name(config.storage), read_only=read_only)
    checks = list(scheduled_checks(config.health, storage, reactor, threads))
    return HealthMonitor(reactor, checks, threads)
