from __future__ import annotations

from attrs import Factory, frozen

from holm_registry.content.registry import Registry
from holm_registry.oci.errors import Unsupported
from holm_registry.threads import Threads

from .locations import Locations


@frozen
class Context:
    """
    What every route works with.

    :ivar deletes: Whether clients may delete.
    :ivar read_only: Whether nothing at all may be written.
    :ivar max_catalog: The most repositories listed in one answer.
    :ivar max_tags: The most tags listed in one answer to a client that asks for a number.
    """

    registry: Registry
    threads: Threads
    locations: Locations = Factory(Locations)
    deletes: bool = True
    read_only: bool = False
    max_catalog: int = 1000
    max_tags: int = 1000

    def require_writes(self) -> None:
        """
        Refuse to write where that is switched off.

        :raises Unsupported: It is.
        """
        if self.read_only:
            raise Unsupported("the registry is read-only", headers={"Allow": "GET, HEAD, OPTIONS"})

    def require_deletes(self) -> None:
        """
        Refuse to delete where that is switched off.

        :raises Unsupported: It is.
        """
        self.require_writes()
        if not self.deletes:
            raise Unsupported("deletion is disabled", headers={"Allow": "GET, HEAD, OPTIONS"})
