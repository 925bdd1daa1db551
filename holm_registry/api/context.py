from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import Factory, define, frozen

from holm_registry.auth.identity import DELETE, PUSH
from holm_registry.content.registry import Registry
from holm_registry.http.request import StreamedRequest
from holm_registry.http.response_body import AnswerSlots
from holm_registry.oci.errors import Unsupported
from holm_registry.oci.manifest import MAX_MANIFEST_BYTES
from holm_registry.threads import Threads

from .authorizer import AllowAll, Authorizer
from .event_emitter import EventEmitter
from .locations import Locations

#: What may always be done to what can be seen, as ``Allow`` has it, and by which other methods what
#: is done.
_READING = "GET, HEAD, OPTIONS"
_METHODS = {PUSH: "PUT", DELETE: "DELETE"}

#: How many lists may be made at once.
_LISTS_AT_ONCE = 4

T = TypeVar("T")


@define
class CacheStats:
    """How often something was looked for in memory, and how often it was there."""

    lookups: int = 0
    hits: int = 0

    def count(self, found: T | None) -> T | None:
        """Count one look, and give what was found."""
        self.lookups += 1
        self.hits += found is not None
        return found


@frozen
class ApiContext:
    """
    What every route works with.

    :ivar event_emitter: Tells others what requests do.
    :ivar authorizer: Tells who may do what.
    :ivar memory: Counts what is answered from memory.
    :ivar health_failures: Tells what is not well with the registry, a line each.
    :ivar deletes: Whether clients may delete.
    :ivar read_only: Whether nothing at all may be written.
    :ivar max_manifest_bytes: The largest manifest taken.
    :ivar max_catalog: The most repositories listed in one answer.
    :ivar max_tags: The most tags listed in one answer to a client that asks for a number.
    :ivar lists: Slots for making lists, whose size is not known before.
    """

    registry: Registry
    threads: Threads
    locations: Locations = Factory(Locations)
    memory: CacheStats = Factory(CacheStats)
    event_emitter: EventEmitter = Factory(EventEmitter)
    authorizer: Authorizer = Factory(AllowAll)
    health_failures: Callable[[], Sequence[str]] = tuple
    deletes: bool = True
    read_only: bool = False
    max_manifest_bytes: int = MAX_MANIFEST_BYTES
    max_catalog: int = 1000
    max_tags: int = 1000
    lists: AnswerSlots = Factory(lambda: AnswerSlots(_LISTS_AT_ONCE))

    async def methods(self, request: StreamedRequest, repository: str) -> str:
        """
        Return what the user of a request may do with a manifest, as the ``Allow`` header.

        :see: RFC 9110, 10.2.1.
        """
        if self.read_only:
            return _READING
        wanted = [PUSH, DELETE] if self.deletes else [PUSH]
        allowed: Sequence[str] = wanted
        if not self.authorizer.is_open:
            allowed = await self.authorizer.allowed_actions(request, repository, wanted)
        return ", ".join([_READING, *(_METHODS[action] for action in allowed)])

    def require_writes(self) -> None:
        """
        Refuse to write where that is switched off.

        :raises Unsupported: It is.
        """
        if self.read_only:
            raise Unsupported("the registry is read-only", headers={"Allow": _READING})

    def require_deletes(self) -> None:
        """
        Refuse to delete where that is switched off.

        :raises Unsupported: It is.
        """
        self.require_writes()
        if not self.deletes:
            raise Unsupported("deletion is disabled", headers={"Allow": _READING})
