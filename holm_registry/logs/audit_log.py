"""
Who did what to which repository, from where: one line of JSON each, in a file of their own.
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
    Something that was done, or that somebody was kept from.

    :ivar action: ``pull``, ``push``, ``mount``, ``delete``, or what was asked for.
    :ivar outcome: ``done``, or the status that it was refused with.
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
    Writes deeds.

    :ivar pulls: Whether pulls are written as well.
    """

    file: LogFile
    pulls: bool = False
    now: Callable[[], str] = _now

    def write(self, **deed: str) -> None:
        """Write one; what cannot be written is said in the log, and refuses nothing."""
        if deed["action"] == "pull" and deed["outcome"] == "done" and not self.pulls:
            return
        line = msgspec.json.encode(AuditRecord(time=self.now(), **deed)).decode()
        try:
            self.file.write(f"{line}\n")
        except OSError as problem:
            _log.error("audit log: {problem}: {line}", problem=problem, line=line)
