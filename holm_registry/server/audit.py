"""
The audit log of a server: receives events and denials, and writes records.
"""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.config.model import Config
from holm_registry.http.request import StreamedRequest
from holm_registry.logs.audit_log import AuditLog
from holm_registry.logs.observer import LogFile
from holm_registry.notifications.events import PULL, Event
from holm_registry.threads import Threads

from .errors import StartupError

_log = Logger()


class AuditTrail:
    """
    Writes a record for each event and each denial; implements
    :class:`holm_registry.api.event_emitter.EventSink`.

    :param threads: Where records are written: a slow disk only delays the request concerned.
    """

    def __init__(self, log: AuditLog, threads: Threads) -> None:
        self._log = log
        self._threads = threads

    async def publish(self, event: Event) -> None:
        """Write the record of an event; its request is answered after that."""
        await self._threads.run(self._write, event)

    def publish_soon(self, event: Event) -> None:
        """Start to write the record of an event; that of a pull, only if pulls are enabled."""
        if self._log.pulls or event.action != PULL:
            self._threads.run(self._write, event).addErrback(_log_failure)

    def refused(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...], status: int
    ) -> None:
        """Start to write the record of a request that was denied."""
        writing = self._threads.run(
            self._log.write,
            user=request.actor,
            address=request.peer,
            action=",".join(actions),
            outcome=str(status),
            repository=repository,
            request_id=request.request_id,
        )
        writing.addErrback(_log_failure)

    def reopen(self) -> None:
        """Reopen the file, after log rotation has renamed it."""
        self._log.file.reopen()

    def _write(self, event: Event) -> None:
        self._log.write(
            user=event.actor.name,
            address=event.request.addr,
            action=event.action,
            outcome="done",
            repository=event.target.repository,
            digest=event.target.digest,
            tag=event.target.tag,
            request_id=event.request.id,
        )


def build_audit(config: Config, threads: Threads) -> AuditTrail | None:
    """
    Make the audit log of a configuration; None if there is none.

    :raises StartupError: Its file cannot be written.
    """
    audit = config.log.audit
    if not audit.path:
        return None
    try:
        return open_audit(audit.path, threads, pulls=audit.pulls)
    except OSError as problem:
        raise StartupError(f"log.audit.path: {audit.path}: {problem.strerror}") from problem


def open_audit(path: str, threads: Threads, *, pulls: bool) -> AuditTrail:
    """
    Open an audit log.

    :param pulls: Whether to write pulls as well.
    :raises OSError: The file cannot be written.
    """
    return AuditTrail(AuditLog(LogFile(path), pulls), threads)


def _log_failure(failure: Failure) -> None:
    _log.failure("audit log", failure)
