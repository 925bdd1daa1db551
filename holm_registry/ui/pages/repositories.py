from __future__ import annotations

from math import inf

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.context import Context
from holm_registry.ui.errors import LoginNeeded, Trouble
from holm_registry.ui.flights import patiently
from holm_registry.ui.gate import each
from holm_registry.ui.news import fresh_names
from holm_registry.ui.parameters import query_of
from holm_registry.ui.pull import push_commands
from holm_registry.ui.reader import (
    DIGEST_SECONDS,
    PATIENCE_SECONDS,
    SURVEY_TAGS_SECONDS,
    TAGS_SECONDS,
    Reader,
)
from holm_registry.ui.rendering import Links
from holm_registry.ui.routing import route
from holm_registry.ui.views.paging import read_listing
from holm_registry.ui.views.repositories import ORDERS, repositories_view

#: How many repositories, and how many tags, are asked again for each visitor.
_FEW = 200

#: With more tags than this no page waits for what is behind them.
_MANY = 2000


class RepositoriesPage:
    """All repositories: the first page."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/", self.show)

    async def show(self, request: StreamedRequest) -> bytes:
        """List the repositories, as far as they are known soon."""
        context = self._context
        reader = await context.reader(request)
        names = await fresh_names(reader, context.settings.repositories)
        if names.stale is None:
            await patiently(context.clock, PATIENCE_SECONDS, lambda: look_at_all(reader))
            reader.survey()
        listing = read_listing(
            Links(context.base(request)).home(),
            query_of(request),
            ORDERS,
            extra=("empty", "closed"),
        )
        view = await context.threads.run(
            repositories_view,
            context.contents,
            reader.library.shots(),
            listing,
            reader.library.memory,
        )
        return await context.templates.render(
            request,
            "repositories.html",
            view=view,
            names=names,
            full=context.contents.full,
            cut=reader.library.cut,
            aside=sum(each.is_aside for each in reader.library.repositories.values()),
            push_commands=push_commands(context.settings.public_registry),
        )


async def look_at_all(reader: Reader, images: bool = True) -> None:  # noqa: FBT001, FBT002
    """
    Have the tags of all repositories, and what is behind the first of them.

    :param images: Whether more than the names of tags is wanted.
    :raises LoginNeeded: The registry wants to know who asks.
    """
    repositories = list(reader.library.repositories)
    tags = sum(len(repository.tags) for repository in reader.library.repositories.values())
    # More than a few are not all asked again for each visitor: only what is new is, and the survey
    # behind the page comes by the others.
    few = len(repositories) <= _FEW and tags <= _FEW
    life = TAGS_SECONDS if len(repositories) <= _FEW else SURVEY_TAGS_SECONDS

    async def look(name: str) -> None:
        try:
            known = await reader.tags_if_room(name, life)
            if known is not None and images and tags <= _MANY:
                await reader.study(name, list(known.tags)[:_FEW], DIGEST_SECONDS if few else inf)
        except LoginNeeded:
            raise
        except Trouble:
            return  # shown in the repository's row

    await each(repositories, look, at_once=8)
