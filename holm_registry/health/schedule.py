from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holm_registry.config import model
from holm_registry.config.addresses import parse_address
from holm_registry.threads import Threads

from .checks import FileCheck, HttpCheck, StorageCheck, TcpCheck
from .monitor import TIMEOUT_SECONDS, Scheduled


def scheduled_checks(
    health: model.HealthSection, storage: StorageCheck, reactor: Any, threads: Threads
) -> Iterator[Scheduled]:
    """
    Give the checks that a configuration asks for.

    :param storage: The check of the store, should it be wanted.
    """
    wanted = health.storagedriver
    if wanted.enabled:
        yield Scheduled(storage, wanted.interval, wanted.threshold)
    for file in health.file:
        yield Scheduled(FileCheck(file.file, threads), file.interval, file.threshold)
    for http in health.http:
        timeout = http.timeout or TIMEOUT_SECONDS
        check = HttpCheck(http.uri, reactor, http.headers, http.statuscode, timeout)
        yield Scheduled(check, http.interval, http.threshold)
    for tcp in health.tcp:
        host, port = parse_address(tcp.addr)
        timeout = tcp.timeout or TIMEOUT_SECONDS
        yield Scheduled(
            TcpCheck(tcp.addr, reactor, host, port, timeout), tcp.interval, tcp.threshold
        )
