"""
What is new, or else what was last known and why it may be old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

from attrs import frozen

from .errors import LoginNeeded, Refused, Slow, Trouble
from .exchange import NotFound
from .flights import patiently
from .reader import PATIENCE_SECONDS, Reader

#: Statuses of a registry that does not list what it has, or not for everybody.
NO_CATALOG = (403, 404, 405, 501)


@frozen
class Stale:
    """
    Why a page may show what is no longer so.

    :ivar age_seconds: How old it is.
    """

    problem: Trouble
    age_seconds: float


@frozen
class Names:
    """
    The state of the list of repositories.

    :ivar denied: Why the registry does not list them; empty if it does.
    """

    stale: Stale | None = None
    denied: str = ""


async def fresh_names(reader: Reader, fallback: tuple[str, ...] = ()) -> Names:
    """
    Have the names of all repositories; what was last known will do while the registry is down.

    :param fallback: Names to use where the registry does not list any.
    :raises Trouble: Nothing is known.
    """
    library = reader.library
    try:
        stale = await _fresh(reader, library.named_at, reader.names)
    except (NotFound, Refused) as problem:
        if problem.registry_status not in NO_CATALOG:
            raise
        library.forget_names()
        for name in fallback:
            library.repository(name)
        return Names(denied=problem.message)
    return Names(stale)


async def fresh_tags(reader: Reader, name: str) -> Stale | None:
    """
    Have the tags of a repository; what was last known will do while the registry is down.

    :raises NotFound: There is no such repository.
    :raises Trouble: Nothing is known of it.
    """
    known = reader.library.repositories.get(name)
    listed_at = -inf if known is None else known.listed_at
    return await _fresh(reader, listed_at, lambda: reader.tags(name))


async def _fresh(
    reader: Reader, known_at: float, ask: Callable[[], Awaitable[object]]
) -> Stale | None:
    age = reader.clock.seconds() - known_at
    if age == inf:
        await ask()
        return None
    try:
        if await patiently(reader.clock, PATIENCE_SECONDS, ask):
            return None
    except (LoginNeeded, NotFound):
        raise
    except Trouble as problem:
        if isinstance(problem, Refused) and problem.registry_status in NO_CATALOG:
            raise
        return Stale(problem, age)
    return Stale(Slow("the registry has not answered yet"), age)
