"""
The audit log put together: events and refusals in, lines out.
"""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure

from holm_registry.http.request import StreamedRequest
from holm_registry.logs.audit_log import AuditLog
from holm_registry.logs.observer import LogFile
from holm_registry.notifications.events import PULL, Event
from holm_registry.threads import Threads

_log = Logger()


class AuditTrail:
    """
    Writes down what requests do, and what they are kept from.

    :param threads: Where it is written: a disk that is slow keeps nobody waiting but who did it.
    """

    def __init__(self, log: AuditLog, threads: Threads) -> None:
        self._log = log
        self._threads = threads

    async def publish(self, event: Event) -> None:
        """Write down what was done, before its client is answered."""
        await self._threads.run(self._write, event)

    def publish_soon(self, event: Event) -> None:
        """Write down a pull, if those are wanted."""
        if self._log.pulls or event.action != PULL:
            self._threads.run(self._write, event).addErrback(_failed)

    def refused(
        self, request: StreamedRequest, repository: str, actions: tuple[str, ...], status: int
    ) -> None:
        """Write down what somebody was kept from."""
        writing = self._threads.run(
            self._log.write,
            user=request.actor,
            address=request.peer,
            action=",".join(actions),
            outcome=str(status),
            repository=repository,
            request_id=request.request_id,
        )
        writing.addErrback(_failed)

    def reopen(self) -> None:
        """Open its file again, should it have been moved away."""
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


def open_audit(path: str, threads: Threads, *, pulls: bool) -> AuditTrail:
    """
    Make an auditor.

    :raises OSError: Its file cannot be written to.
    """
    return AuditTrail(AuditLog(LogFile(path), pulls), threads)


def _failed(failure: Failure) -> None:
    _log.failure("audit log", failure)
