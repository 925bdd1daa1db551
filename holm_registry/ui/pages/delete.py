from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import InvalidRequest, LoginRequired, RegistryRefused, UiError
from holm_registry.ui.model.ordering import newest_first
from holm_registry.ui.model.progress import Progress
from holm_registry.ui.model.references import require_digest, require_repository
from holm_registry.ui.state.deletion import Deleter, tags_fingerprint
from holm_registry.ui.state.freshness import fresh_names
from holm_registry.ui.state.pending_questions import PendingQuestions
from holm_registry.ui.state.reader import RegistryReader
from holm_registry.ui.views.deletion import deletion_view
from holm_registry.ui.views.tags import matching
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.error_pages import is_browser
from holm_registry.ui.web.forms import Form, query_of
from holm_registry.ui.web.routing import route

from .deleting import MAX_ITEMS, still_working


class DeletePage:
    """Asking before something is deleted."""

    def __init__(self, context: UiContext) -> None:
        self._context = context
        self._questions = PendingQuestions(context.clock)

    def register(self, app: Klein) -> None:
        """Add the route of this page."""
        route(app, "GET", "/delete", self.ask)

    async def ask(self, request: StreamedRequest) -> bytes:
        """Return what would go, and ask. Nothing is deleted by a GET."""
        context, query = self._context, query_of(request)
        repository = require_repository(query.require("repo"))
        reader = await context.reader(request)

        def prepare(progress: Progress) -> Awaitable[dict[str, Any]]:
            return self._prepare(reader, repository, query, progress)

        data: dict[str, Any] | None
        if is_browser(request):
            key = (reader.registry_view, request.uri)
            data = await self._questions.answer(key, prepare)
            if data is None:
                progress = self._questions.progress(key)
                return await still_working(context, request, reader, repository, progress)
        else:
            data = await prepare(Progress())
        return await context.templates.render(request, "delete.html", **data)

    async def _prepare(
        self, reader: RegistryReader, repository: str, query: Form, progress: Progress
    ) -> dict[str, Any]:
        """Work out what the page that asks says."""
        context = self._context
        remover = Deleter(reader, context.threads, repository, progress)
        await remover.study()
        await self._know_others(reader)
        tags = await self._tags(reader, repository, query)
        pointing = remover.digests_of(tags)
        lost = [tag for tag, digest in pointing.items() if not digest]
        digests = [require_digest(digest) for digest in query.all("digest")] or list(
            dict.fromkeys(filter(None, pointing.values()))
        )
        if not digests and not lost:
            raise InvalidRequest("no tag and no digest was selected")
        plan = await remover.plan(digests)
        # Only a deletion shows whether the registry can remove tags; a question tries nothing.
        removes_tags = bool(tags) and (
            len(lost) == len(tags) or reader.registry_view.removes_tags is not False
        )
        if plan.refusal and not removes_tags:
            raise RegistryRefused(plan.refusal)
        view = await context.threads.run(
            deletion_view, plan, newest_first(tags), newest_first(lost)
        )
        return {
            "view": view,
            "tags_agreed": tags_fingerprint(pointing),
            "removes_tags": removes_tags,
            "tried": reader.registry_view.removes_tags is not None,
        }

    async def _know_others(self, reader: RegistryReader) -> None:
        """Know the other repositories, as far as that can be had soon: they may share blobs."""
        try:
            await fresh_names(reader, self._context.settings.repositories)
        except LoginRequired:
            raise
        except UiError:
            return  # the page then says that it does not know
        await reader.survey_soon()

    async def _tags(self, reader: RegistryReader, repository: str, query: Form) -> list[str]:
        """Return the tags that were chosen: some by name, or all that a filter lets through."""
        tags = query.all("tag")
        if query.one("all"):
            context = self._context
            snapshot = reader.snapshot(repository)
            tags = await context.threads.run(
                matching, context.content_cache, snapshot, query.one("q")
            )
        if len(tags) > MAX_ITEMS:
            raise InvalidRequest(f"more than {MAX_ITEMS:,} at once; choose fewer")
        return tags
