from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holm_registry.config import model
from holm_registry.config.addresses import parse_address
from holm_registry.threads import Threads

from .checks import FileCheck, HttpCheck, StorageCheck, TcpCheck
from .monitor import TIMEOUT_SECONDS, ScheduledCheck


def scheduled_checks(
    health: model.HealthSection, storage: StorageCheck, reactor: Any, threads: Threads
) -> Iterator[ScheduledCheck]:
    """
    Return the checks of a configuration's ``health`` section.

    :param storage: The check of the storage; used if it is enabled.
    """
    storagedriver = health.storagedriver
    if storagedriver.enabled:
        yield ScheduledCheck(storage, storagedriver.interval, storagedriver.threshold)
    for file in health.file:
        yield ScheduledCheck(FileCheck(file.file, threads), file.interval, file.threshold)
    for http in health.http:
        timeout = http.timeout or TIMEOUT_SECONDS
        check = HttpCheck(http.uri, reactor, http.headers, http.statuscode, timeout)
        yield ScheduledCheck(check, http.interval, http.threshold)
    for tcp in health.tcp:
        host, port = parse_address(tcp.addr)
        timeout = tcp.timeout or TIMEOUT_SECONDS
        yield ScheduledCheck(
            TcpCheck(tcp.addr, reactor, host, port, timeout), tcp.interval, tcp.threshold
        )
