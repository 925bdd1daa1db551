from __future__ import annotations

from collections.abc import Awaitable

from klein import Klein

from holm_registry.http.request import StreamedRequest
from holm_registry.http.shield import shielded
from holm_registry.ui.answers import is_browser
from holm_registry.ui.context import Context
from holm_registry.ui.deletions import Deletion, Deletions
from holm_registry.ui.errors import Changed, Invalid, Missing, Refused
from holm_registry.ui.outcomes import Outcome
from holm_registry.ui.parameters import Form, query_of, read_form
from holm_registry.ui.progress import Progress
from holm_registry.ui.reader import Reader
from holm_registry.ui.references import require_digest, require_repository
from holm_registry.ui.removing import STUDY_SECONDS, Remover
from holm_registry.ui.rendering import Links
from holm_registry.ui.routing import route

from .look import see_other

#: How many tags or images are deleted at once.
MAX_ITEMS = 5000


class DeletingPage:
    """Deleting, and telling how far that has come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._deletions = Deletions(context.clock)

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "POST", "/delete", self.delete)
        route(app, "GET", "/deleting", self.follow)

    @shielded
    async def delete(self, request: StreamedRequest) -> bytes:
        """
        Delete images, or remove tags, and go to the repository.

        Programs send ``repo`` and ``digest``, and have that manifest deleted. The form sends, as
        well, what its visitor agreed to; a browser is sent to a page that tells how far a deletion
        has come that takes longer.
        """
        context = self._context
        reader = await context.reader(request)
        context.require_safe(request)
        form = await read_form(request)
        repository = form.require("repo")
        by_tag = form.one("how") == "tag"
        if by_tag and not form.all("tag"):
            raise Invalid("missing field: tag")
        if not by_tag:
            form.require("digest")
        digests = [require_digest(digest) for digest in form.all("digest")]
        repository = require_repository(repository)
        if max(len(digests), len(form.all("tag"))) > MAX_ITEMS:
            raise Invalid(f"more than {MAX_ITEMS:,} at once; choose fewer")

        def work(progress: Progress) -> Awaitable[Outcome]:
            remover = Remover(reader, context.threads, repository, progress)
            if by_tag:
                return _remove_tags(remover, repository, form)
            return _remove_images(remover, repository, digests, form)

        if not is_browser(request) or self._deletions.full:
            return self._told(request, repository, await work(Progress()))
        deletion = self._deletions.begin(repository, work)
        if await self._deletions.wait(deletion):
            return self._told(request, repository, deletion.result())
        return see_other(request, Links(context.base(request)).deleting(repository, deletion.key))

    async def follow(self, request: StreamedRequest) -> bytes:
        """Tell how far a deletion has come, or how it ended."""
        query = query_of(request)
        repository = require_repository(query.require("repo"))
        deletion = self._deletions.find(query.one("key"), repository)
        if deletion is None:
            raise Missing(
                "how this deletion ended is not known any more; the list of tags shows what is left"
            )
        if await self._deletions.wait(deletion):
            return self._told(request, repository, deletion.result())
        return await self._still_deleting(request, deletion)

    async def _still_deleting(self, request: StreamedRequest, deletion: Deletion) -> bytes:
        reader = await self._context.reader(request)
        return await still_working(
            self._context, request, reader, deletion.repository, deletion.progress, deletes=True
        )

    def _told(self, request: StreamedRequest, repository: str, outcome: Outcome) -> bytes:
        """Send the visitor to the repository, whose page tells what became of each item."""
        if len(outcome.items) == 1 and outcome.failed:
            item = outcome.failed[0]
            if item.problem == "did not exist any more":
                raise Missing(f"{item.what} in {repository} did not exist any more")
            raise Refused(
                f"{item.what} was not deleted: {item.problem}",
                registry_status=item.registry_status,
            )
        context = self._context
        key = context.outcomes.keep(outcome)
        links = Links(context.base(request))
        return see_other(request, f"{links.repository(repository)}?result={key}")


async def still_working(  # noqa: PLR0913 - what the page says
    context: Context,
    request: StreamedRequest,
    reader: Reader,
    repository: str,
    progress: Progress,
    *,
    deletes: bool = False,
) -> bytes:
    """
    Say how far a question or a deletion has come; the browser comes back by itself.

    :param deletes: Whether it is a deletion, which goes on without its visitor.
    """
    done, total = progress.done, progress.total
    if progress.step == "tags":
        known = reader.library.repository(repository)
        recently = reader.clock.seconds() - STUDY_SECONDS
        done = sum(tag.seen_at > recently for tag in known.tags.values())
        total = len(known.tags)
    request.set_header("Refresh", "1")
    return await context.templates.render(
        request,
        "reading.html",
        status=202,
        repository=repository,
        step=progress.step,
        done=done,
        total=total,
        deletes=deletes,
    )


async def _remove_tags(remover: Remover, repository: str, form: Form) -> Outcome:
    tags = form.all("tag")
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
    remover: Remover, repository: str, digests: list[str], form: Form
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
