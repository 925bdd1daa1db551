"""
The audit log: which user did what to which repository, from where. One JSON object a line.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from attrs import frozen
from msgspec import Struct
from twisted.logger import Logger

from .observer import LogFile

_log = Logger()


class AuditRecord(Struct, omit_defaults=True, kw_only=True):
    """
    An action, or a request that was denied.

    :ivar action: ``pull``, ``push``, ``mount``, ``delete``; or the actions that were denied.
    :ivar outcome: ``done``, or the status of the denial.
    """

    time: str
    user: str
    address: str
    action: str
    outcome: str
    repository: str = ""
    digest: str = ""
    tag: str = ""
    request_id: str = ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@frozen
class AuditLog:
    """
    Writes audit records to a file.

    :ivar pulls: Whether to write pulls as well.
    """

    file: LogFile
    pulls: bool = False
    now: Callable[[], str] = _now

    def write(self, **fields: str) -> None:
        """Write a record; if that fails, write it to the log, and let the request go on."""
        if fields["action"] == "pull" and fields["outcome"] == "done" and not self.pulls:
            return
        line = msgspec.json.encode(AuditRecord(time=self.now(), **fields)).decode()
        try:
            self.file.write(f"{line}\n")
        except OSError as problem:
            _log.error("audit log: {problem}: {line}", problem=problem, line=line)
