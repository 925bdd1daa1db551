from __future__ import annotations

from math import inf

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.client.concurrency import for_each
from holm_registry.ui.client.single_flight import with_deadline
from holm_registry.ui.errors import LoginRequired, UiError
from holm_registry.ui.model.pull_commands import push_commands
from holm_registry.ui.state.freshness import fresh_names
from holm_registry.ui.state.reader import (
    DIGEST_SECONDS,
    PATIENCE_SECONDS,
    SURVEY_TAGS_SECONDS,
    TAGS_SECONDS,
    RegistryReader,
)
from holm_registry.ui.views.paging import read_listing
from holm_registry.ui.views.repositories import ORDERS, repositories_view
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.forms import query_of
from holm_registry.ui.web.rendering import PageLinks
from holm_registry.ui.web.routing import route

#: How many repositories, and how many tags, are asked again for each visitor.
_FEW = 200

#: With more tags than this no page waits for what is behind them.
_MANY = 2000


class RepositoriesPage:
    """All repositories: the first page."""

    def __init__(self, context: UiContext) -> None:
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
            await with_deadline(context.clock, PATIENCE_SECONDS, lambda: look_at_all(reader))
            reader.survey()
        listing = read_listing(
            PageLinks(context.base(request)).home(),
            query_of(request),
            ORDERS,
            extra=("empty", "closed"),
        )
        view = await context.threads.run(
            repositories_view,
            context.content_cache,
            reader.registry_view.snapshots(),
            listing,
            reader.registry_view.memory,
        )
        return await context.templates.render(
            request,
            "repositories.html",
            view=view,
            names=names,
            full=context.content_cache.full,
            cut=reader.registry_view.cut,
            aside=sum(
                repository.is_aside for repository in reader.registry_view.repositories.values()
            ),
            push_commands=push_commands(context.settings.public_registry),
        )


async def look_at_all(reader: RegistryReader, images: bool = True) -> None:  # noqa: FBT001, FBT002
    """
    Have the tags of all repositories, and what is behind the first of them.

    :param images: Whether more than the names of tags is wanted.
    :raises LoginRequired: The registry wants to know who asks.
    """
    repositories = list(reader.registry_view.repositories)
    tags = sum(len(repository.tags) for repository in reader.registry_view.repositories.values())
    # More than a few are not all asked again for each visitor: only what is new is, and the survey
    # behind the page comes by the others.
    few = len(repositories) <= _FEW and tags <= _FEW
    life = TAGS_SECONDS if len(repositories) <= _FEW else SURVEY_TAGS_SECONDS

    async def look(name: str) -> None:
        try:
            known = await reader.tags_if_room(name, life)
            if known is not None and images and tags <= _MANY:
                await reader.study(name, list(known.tags)[:_FEW], DIGEST_SECONDS if few else inf)
        except LoginRequired:
            raise
        except UiError:
            return  # shown in the repository's row

    await for_each(repositories, look, at_once=8)
