"""
What is new, or else what was last known and why it may be old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

from attrs import frozen

from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.client.single_flight import with_deadline
from holm_registry.ui.errors import LoginRequired, RegistryRefused, RegistryTimeout, UiError

from .reader import PATIENCE_SECONDS, RegistryReader

#: Statuses of a registry that does not list what it has, or not for everybody.
NO_CATALOG = (403, 404, 405, 501)


@frozen
class StaleReason:
    """
    Why a page may show what is no longer so.

    :ivar age_seconds: How old it is.
    """

    problem: UiError
    age_seconds: float


@frozen
class CatalogState:
    """
    The state of the list of repositories.

    :ivar denied: Why the registry does not list them; empty if it does.
    """

    stale: StaleReason | None = None
    denied: str = ""


async def fresh_names(reader: RegistryReader, fallback: tuple[str, ...] = ()) -> CatalogState:
    """
    Have the names of all repositories; what was last known will do while the registry is down.

    :param fallback: Names to use where the registry does not list any.
    :raises UiError: Nothing is known.
    """
    library = reader.registry_view
    try:
        stale = await _fresh(reader, library.named_at, reader.names)
    except (RegistryNotFound, RegistryRefused) as problem:
        if problem.registry_status not in NO_CATALOG:
            raise
        library.forget_names()
        for name in fallback:
            library.repository(name)
        return CatalogState(denied=problem.message)
    return CatalogState(stale)


async def fresh_tags(reader: RegistryReader, name: str) -> StaleReason | None:
    """
    Have the tags of a repository; what was last known will do while the registry is down.

    :raises RegistryNotFound: There is no such repository.
    :raises UiError: Nothing is known of it.
    """
    known = reader.registry_view.repositories.get(name)
    listed_at = -inf if known is None else known.listed_at
    return await _fresh(reader, listed_at, lambda: reader.tags(name))


async def _fresh(
    reader: RegistryReader, known_at: float, ask: Callable[[], Awaitable[object]]
) -> StaleReason | None:
    age = reader.clock.seconds() - known_at
    if age == inf:
        await ask()
        return None
    try:
        if await with_deadline(reader.clock, PATIENCE_SECONDS, ask):
            return None
    except (LoginRequired, RegistryNotFound):
        raise
    except UiError as problem:
        if isinstance(problem, RegistryRefused) and problem.registry_status in NO_CATALOG:
            raise
        return StaleReason(problem, age)
    return StaleReason(RegistryTimeout("the registry has not answered yet"), age)
