from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.http.shield import shielded
from holm_registry.ui.answers import is_browser
from holm_registry.ui.context import Context
from holm_registry.ui.errors import Changed, Invalid, LoginNeeded, Missing, Refused, Trouble
from holm_registry.ui.news import fresh_names
from holm_registry.ui.ordering import newest_first
from holm_registry.ui.outcomes import Outcome
from holm_registry.ui.parameters import Form, query_of, read_form
from holm_registry.ui.questions import Questions
from holm_registry.ui.reader import Reader
from holm_registry.ui.references import require_digest, require_repository
from holm_registry.ui.removing import STUDY_SECONDS, Remover, tags_fingerprint
from holm_registry.ui.rendering import Links
from holm_registry.ui.routing import route
from holm_registry.ui.views.deletion import deletion_view
from holm_registry.ui.views.tags import matching

from .look import see_other

#: How many tags or images are deleted at once.
MAX_ITEMS = 5000


class DeletePage:
    """Asking before something is deleted, and deleting it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._questions = Questions(context.clock)

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "GET", "/delete", self.ask)
        route(app, "POST", "/delete", self.delete)

    async def ask(self, request: StreamedRequest) -> bytes:
        """Say what would go, and ask. Nothing is deleted by a GET."""
        context, query = self._context, query_of(request)
        repository = require_repository(query.require("repo"))
        reader = await context.reader(request)

        def prepare() -> Awaitable[dict[str, Any]]:
            return self._prepare(reader, repository, query)

        data: dict[str, Any] | None
        if is_browser(request):
            data = await self._questions.answer((reader.library, request.uri), prepare)
        else:
            data = await prepare()
        if data is None:
            return await self._still_reading(request, reader, repository)
        return await context.templates.render(request, "delete.html", **data)

    async def _still_reading(
        self, request: StreamedRequest, reader: Reader, repository: str
    ) -> bytes:
        """Say how far the registry was looked through; the browser comes back by itself."""
        known = reader.library.repository(repository)
        recently = reader.clock.seconds() - STUDY_SECONDS
        looked_at = sum(tag.seen_at > recently for tag in known.tags.values())
        request.set_header("Refresh", "1")
        return await self._context.templates.render(
            request,
            "reading.html",
            status=202,
            repository=repository,
            looked_at=looked_at,
            total=len(known.tags),
        )

    async def _prepare(self, reader: Reader, repository: str, query: Form) -> dict[str, Any]:
        """Work out what the page that asks says."""
        context = self._context
        remover = Remover(reader, context.threads, repository)
        await remover.study()
        await self._know_others(reader)
        tags = await self._tags(reader, repository, query)
        pointing = remover.digests_of(tags)
        lost = [tag for tag, digest in pointing.items() if not digest]
        digests = [require_digest(digest) for digest in query.all("digest")] or list(
            dict.fromkeys(filter(None, pointing.values()))
        )
        if not digests and not lost:
            raise Invalid("no tag and no digest was selected")
        plan = await remover.plan(digests)
        # Only a deletion shows whether the registry can remove tags; a question tries nothing.
        removes_tags = bool(tags) and (
            len(lost) == len(tags) or reader.library.removes_tags is not False
        )
        if plan.refusal and not removes_tags:
            raise Refused(plan.refusal)
        view = await context.threads.run(
            deletion_view, plan, newest_first(tags), newest_first(lost)
        )
        return {
            "view": view,
            "tags_agreed": tags_fingerprint(pointing),
            "removes_tags": removes_tags,
            "tried": reader.library.removes_tags is not None,
        }

    async def _know_others(self, reader: Reader) -> None:
        """Know the other repositories, as far as that can be had soon: they may share blobs."""
        try:
            await fresh_names(reader, self._context.settings.repositories)
        except LoginNeeded:
            raise
        except Trouble:
            return  # the page then says that it does not know
        await reader.survey_soon()

    async def _tags(self, reader: Reader, repository: str, query: Form) -> list[str]:
        """Give the tags that were chosen: some by name, or all that a filter lets through."""
        tags = query.all("tag")
        if query.one("all"):
            context = self._context
            shot = reader.shot(repository)
            tags = await context.threads.run(matching, context.contents, shot, query.one("q"))
        if len(tags) > MAX_ITEMS:
            raise Invalid(f"more than {MAX_ITEMS:,} at once; choose fewer")
        return tags

    @shielded
    async def delete(self, request: StreamedRequest) -> bytes:
        """
        Delete images, or remove tags, and go to the repository.

        Programs send ``repo`` and ``digest``, and have that manifest deleted. The form sends, as
        well, what its visitor agreed to.
        """
        context = self._context
        reader = await context.reader(request)
        context.require_safe(request)
        form = await read_form(request)
        repository = form.require("repo")
        by_tag = form.one("how") == "tag"
        if not by_tag:
            form.require("digest")
        digests = [require_digest(digest) for digest in form.all("digest")]
        repository = require_repository(repository)
        if max(len(digests), len(form.all("tag"))) > MAX_ITEMS:
            raise Invalid(f"more than {MAX_ITEMS:,} at once; choose fewer")
        remover = Remover(reader, context.threads, repository)
        if by_tag:
            outcome = await self._remove_tags(remover, repository, form)
        else:
            outcome = await self._remove_images(remover, repository, digests, form)
        if len(outcome.items) == 1 and outcome.failed:
            item = outcome.failed[0]
            if item.problem == "did not exist any more":
                raise Missing(f"{item.what} in {repository} did not exist any more")
            raise Refused(
                f"{item.what} was not deleted: {item.problem}",
                registry_status=item.registry_status,
            )
        key = context.outcomes.keep(outcome)
        links = Links(context.base(request))
        return see_other(request, f"{links.repository(repository)}?result={key}")

    async def _remove_tags(self, remover: Remover, repository: str, form: Form) -> Outcome:
        tags = form.all("tag")
        if not tags:
            raise Invalid("missing field: tag")
        await remover.study()
        remover.require_unmoved(tags, form.one("tags_agreed"))
        lost = not any(remover.digests_of(tags).values())
        if not lost and not await remover.may_remove_tags():
            raise Refused(
                "this registry deletes by digest only, so a tag cannot be removed without its "
                "image; nothing was deleted"
            )
        items = await remover.remove_tags(tags)
        return Outcome(repository, items, images=False)

    async def _remove_images(
        self, remover: Remover, repository: str, digests: list[str], form: Form
    ) -> Outcome:
        await remover.study()
        plan = await remover.plan(digests)
        lost = form.all("tag")
        if any(remover.digests_of(lost).values()):
            raise Changed("a tag was pushed since you were asked; look again")
        items = await remover.remove_images(
            plan, companions=form.one("companions") == "1", agreed=form.one("agreed")
        )
        items += await remover.remove_tags(lost)
        return Outcome(repository, items, images=True)
