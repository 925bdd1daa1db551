from __future__ import annotations

from collections.abc import Awaitable

from klein import Klein

from holm_registry.http.cancellation import uncancellable
from holm_registry.http.request import StreamedRequest
from holm_registry.ui.errors import Conflict, ContentMissing, InvalidRequest, RegistryRefused
from holm_registry.ui.model.progress import Progress
from holm_registry.ui.model.references import require_digest, require_repository
from holm_registry.ui.state.deletion import STUDY_SECONDS, Deleter
from holm_registry.ui.state.flash_messages import DeletionOutcome
from holm_registry.ui.state.reader import RegistryReader
from holm_registry.ui.state.running_deletions import RunningDeletion, RunningDeletions
from holm_registry.ui.web.context import UiContext
from holm_registry.ui.web.error_pages import is_browser
from holm_registry.ui.web.forms import Form, query_of, read_form
from holm_registry.ui.web.rendering import PageLinks
from holm_registry.ui.web.routing import route

from .assets_and_theme import see_other

#: How many tags or images are deleted at once.
MAX_ITEMS = 5000


class DeletingPage:
    """Deleting, and telling how far that has come."""

    def __init__(self, context: UiContext) -> None:
        self._context = context
        self._deletions = RunningDeletions(context.clock)

    def register(self, app: Klein) -> None:
        """Add the routes of this page."""
        route(app, "POST", "/delete", self.delete)
        route(app, "GET", "/deleting", self.follow)

    @uncancellable
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
            raise InvalidRequest("missing field: tag")
        if not by_tag:
            form.require("digest")
        digests = [require_digest(digest) for digest in form.all("digest")]
        repository = require_repository(repository)
        if max(len(digests), len(form.all("tag"))) > MAX_ITEMS:
            raise InvalidRequest(f"more than {MAX_ITEMS:,} at once; choose fewer")

        def work(progress: Progress) -> Awaitable[DeletionOutcome]:
            remover = Deleter(reader, context.threads, repository, progress)
            if by_tag:
                return _remove_tags(remover, repository, form)
            return _remove_images(remover, repository, digests, form)

        if not is_browser(request) or self._deletions.full:
            return self._told(request, repository, await work(Progress()))
        deletion = self._deletions.begin(repository, work)
        if await self._deletions.wait(deletion):
            return self._told(request, repository, deletion.result())
        return see_other(
            request, PageLinks(context.base(request)).deleting(repository, deletion.key)
        )

    async def follow(self, request: StreamedRequest) -> bytes:
        """Return how far a deletion has come, or how it ended."""
        query = query_of(request)
        repository = require_repository(query.require("repo"))
        deletion = self._deletions.find(query.one("key"), repository)
        if deletion is None:
            raise ContentMissing(
                "how this deletion ended is not known any more; the list of tags shows what is left"
            )
        if await self._deletions.wait(deletion):
            return self._told(request, repository, deletion.result())
        return await self._still_deleting(request, deletion)

    async def _still_deleting(self, request: StreamedRequest, deletion: RunningDeletion) -> bytes:
        reader = await self._context.reader(request)
        return await still_working(
            self._context, request, reader, deletion.repository, deletion.progress, deletes=True
        )

    def _told(self, request: StreamedRequest, repository: str, outcome: DeletionOutcome) -> bytes:
        """Send the visitor to the repository, whose page tells what became of each item."""
        if len(outcome.items) == 1 and outcome.failed:
            item = outcome.failed[0]
            if item.problem == "did not exist any more":
                raise ContentMissing(f"{item.what} in {repository} did not exist any more")
            raise RegistryRefused(
                f"{item.what} was not deleted: {item.problem}",
                registry_status=item.registry_status,
            )
        context = self._context
        key = context.flash_messages.keep(outcome)
        links = PageLinks(context.base(request))
        return see_other(request, f"{links.repository(repository)}?result={key}")


async def still_working(  # noqa: PLR0913 - what the page says
    context: UiContext,
    request: StreamedRequest,
    reader: RegistryReader,
    repository: str,
    progress: Progress,
    *,
    deletes: bool = False,
) -> bytes:
    """
    Return how far a question or a deletion has come; the browser comes back by itself.

    :param deletes: Whether it is a deletion, which goes on without its visitor.
    """
    done, total = progress.done, progress.total
    if progress.step == "tags":
        known = reader.registry_view.repository(repository)
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


async def _remove_tags(remover: Deleter, repository: str, form: Form) -> DeletionOutcome:
    tags = form.all("tag")
    await remover.study()
    remover.require_unmoved(tags, form.one("tags_agreed"))
    lost = not any(remover.digests_of(tags).values())
    if not lost and not await remover.may_remove_tags():
        raise RegistryRefused(
            "this registry deletes by digest only, so a tag cannot be removed without its "
            "image; nothing was deleted"
        )
    items = await remover.remove_tags(tags)
    return DeletionOutcome(repository, items, images=False)


async def _remove_images(
    remover: Deleter, repository: str, digests: list[str], form: Form
) -> DeletionOutcome:
    await remover.study()
    plan = await remover.plan(digests)
    lost = form.all("tag")
    if any(remover.digests_of(lost).values()):
        raise Conflict("a tag was pushed since you were asked; look again")
    items = await remover.remove_images(
        plan, companions=form.one("companions") == "1", agreed=form.one("agreed")
    )
    items += await remover.remove_tags(lost)
    return DeletionOutcome(repository, items, images=True)
