"""
Finding out what a deletion takes along, and doing it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Sequence
from hashlib import sha256
from math import inf

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from holm_registry.threads import Threads
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.errors import (
    Conflict,
    ContentMissing,
    RegistryRefused,
    RegistryTimeout,
    TooMuchWork,
    UiError,
)
from holm_registry.ui.model.attachments import fallback_tag
from holm_registry.ui.model.deletion_plan import (
    DeletionPlan,
    Dependent,
    PlannedImage,
    children_of,
    plan_deletion,
)
from holm_registry.ui.model.documents import DocumentInvalid, Manifest, read
from holm_registry.ui.model.progress import Progress
from holm_registry.ui.model.snapshots import DANGLING, RepositorySnapshot

from .dangling_tags import remove_dangling
from .dependents import read_dependents
from .flash_messages import DeletedItem
from .reader import RegistryReader

#: How old what is known may be when a visitor is asked to agree to it, in seconds, and how long it
#: may take to find out.
FRESH_SECONDS = 5.0
STUDY_SECONDS = 60.0

#: The most tags of a repository that anything is deleted from.
MAX_TAGS = 20_000

#: For how many manifests the registry is asked what refers to them.
MAX_SUBJECTS = 500


class Deleter:
    """
    Deletes from one repository, in a visitor's name.

    :param reader: Asks in the visitor's name.
    :param progress: Is told how far it has come.
    """

    def __init__(
        self, reader: RegistryReader, threads: Threads, repository: str, progress: Progress
    ) -> None:
        self._progress = progress
        self._reader = reader
        self._threads = threads
        self._repository = repository

    async def study(self) -> None:
        """
        Know every tag of the repository, and where it points now.

        :raises RegistryNotFound: There is no such repository.
        :raises TooMuchWork: It has more tags than can be looked at.
        :raises RegistryTimeout: It takes too long; another try will find part of it done.
        """
        known = await self._reader.tags(self._repository, max_age=0)
        names = list(known.tags)
        self._require_few(known.cut or len(names))
        studying = Deferred.fromCoroutine(
            self._reader.study(self._repository, names, FRESH_SECONDS)
        )
        try:
            await studying.addTimeout(STUDY_SECONDS, self._reader.clock)
        except DeferredTimeout as problem:
            raise RegistryTimeout(
                f"{len(names):,} tags could not be read within {STUDY_SECONDS:.0f} seconds; "
                "nothing was deleted. Trying again continues from here"
            ) from problem

    def _shot(self) -> RepositorySnapshot:
        """
        Return the repository with all its tags.

        :raises RegistryTimeout: Others have taken their room in memory meanwhile.
        """
        shot = self._reader.snapshot(self._repository)
        if not shot.listed or shot.cut:
            raise RegistryTimeout(
                f"the tags of {self._repository} no longer fit into memory beside those of others; "
                "nothing was deleted; try again"
            )
        return shot

    def _require_few(self, count: int) -> None:
        if count > MAX_TAGS:
            raise TooMuchWork(
                f"{self._repository} has {count:,} tags; before anything is deleted here all of "
                f"them are looked at, {MAX_TAGS:,} at the most. Nothing was deleted. Delete at the "
                f"registry itself: DELETE /v2/{self._repository}/manifests/TAG, or by digest"
            )

    def _refusal(self) -> str:
        """Return why no image can be deleted safely: a tag that cannot be read may point to it."""
        for tag in self._shot().tags:
            if tag.problem != DANGLING and (tag.problem or not tag.digest):
                return (
                    f"tag {tag.name} cannot be read, so no image can be deleted safely: "
                    f"{tag.problem or 'not known yet'}"
                )
        return ""

    def digests_of(self, tags: Sequence[str]) -> dict[str, str]:
        """
        Return what tags point to; an empty text for one whose manifest is missing or unreadable.

        :raises ContentMissing: There is no such tag.
        """
        known = {tag.name: "" if tag.problem else tag.digest for tag in self._shot().tags}
        gone = [tag for tag in tags if tag not in known]
        if gone:
            raise ContentMissing(f"no such tag in {self._repository}: {', '.join(gone[:10])}")
        return {tag: known[tag] for tag in tags}

    async def plan(self, digests: Sequence[str]) -> DeletionPlan:
        """
        Work out what deleting images means.

        :raises RegistryNotFound: One of them is not there.
        """
        reader, repository = self._reader, self._repository
        tagged = {tag.digest for tag in self._shot().tags}
        for digest in digests:
            if digest not in tagged:
                await reader.client.digest_of(repository, digest)
            await reader.learn(repository, digest)
        contents = reader.content_cache
        subjects = [
            *digests,
            *(child for digest in digests for child in children_of(contents, digest)),
        ]
        subjects = list(dict.fromkeys(subjects))
        belonging = await read_dependents(
            reader, repository, set(digests), subjects[:MAX_SUBJECTS], self._progress
        )
        others = [shot for shot in reader.registry_view.snapshots() if shot.name != repository]
        plan = await self._threads.run(
            plan_deletion, contents, self._shot(), digests, belonging, others
        )
        refusal = self._refusal()
        if plan.unseen:
            refusal = (
                "this repository holds more than the UI keeps in memory, so no image can be "
                f"deleted safely: {len(plan.unseen):,} tags are not known well enough"
            )
        plan = evolve(plan, refusal=refusal)
        if reader.registry_view.named_at == -inf:
            return evolve(plan, unsure="the other repositories are not known")
        if len(subjects) > MAX_SUBJECTS:
            return evolve(
                plan, unsure=f"referrers of the first {MAX_SUBJECTS} manifests only were read"
            )
        return plan

    async def may_remove_tags(self) -> bool:
        """
        Return whether the registry can remove a tag without its image.

        Asked by removing a tag that cannot exist: a registry that can says that there is none
        such, one that cannot refuses the request itself.

        :see: OCI distribution-spec, "Deleting tags".
        """
        library = self._reader.registry_view
        if library.removes_tags is None:
            probe = f"holm-ui-asks-{secrets.token_hex(16)}"
            try:
                await self._reader.client.delete(self._repository, probe)
                library.removes_tags = True
            except RegistryNotFound:
                library.removes_tags = True
            except RegistryRefused as problem:
                if problem.registry_status not in (400, 405):
                    raise
                library.removes_tags = False
        return library.removes_tags

    def require_unmoved(self, tags: Sequence[str], agreed: str) -> None:
        """
        Check that tags point to what the visitor saw.

        :param agreed: The :func:`tags_fingerprint` that the visitor saw; empty for none.
        :raises Conflict: A tag has moved since.
        """
        if agreed and tags_fingerprint(self.digests_of(tags)) != agreed:
            raise Conflict("a tag has moved since you were asked; look again")

    async def remove_tags(self, tags: Sequence[str]) -> list[DeletedItem]:
        """Remove tags and nothing else; what they point to stays."""
        pointing = self.digests_of(tags)
        self._progress.begin("deleting", len(tags))
        return [await self._remove_tag(tag, pointing[tag]) for tag in tags]

    async def _remove_tag(self, tag: str, digest: str) -> DeletedItem:
        by_name = await self.may_remove_tags()
        if digest:
            return await self._delete(tag, f"tag {tag}")
        return await self._noted(
            f"tag {tag}",
            remove_dangling(self._reader.client, self._repository, tag, by_name=by_name),
        )

    async def remove_images(
        self, plan: DeletionPlan, *, companions: bool, agreed: str = ""
    ) -> list[DeletedItem]:
        """
        Delete images with all their tags.

        :param companions: Whether what nothing else needs is deleted as well.
        :param agreed: The fingerprint of the plan that the visitor saw; empty for none.
        :raises Conflict: Other things would go than were seen, or something must stay.
        """
        if plan.refusal:
            raise RegistryRefused(plan.refusal)
        if agreed and plan.fingerprint != agreed:
            raise Conflict("the repository has changed since you were asked; look again")
        if plan.unread_referrers and companions and not agreed:
            raise RegistryRefused(f"{plan.unread_referrers}; nothing was deleted")
        for image in plan.blocked:
            raise Conflict(
                f"{image.digest} is part of {', '.join(image.parents[:10])} in {plan.repository}, "
                "which would no longer work; delete that image instead"
            )
        along = [each for image in plan.images for each in image.companions] if companions else []
        self._progress.begin("deleting", len(plan.images) + len(along))
        items: list[DeletedItem] = []
        for image in plan.images:
            items += await self._remove_image(image, companions=companions)
        return items

    async def _remove_image(self, image: PlannedImage, *, companions: bool) -> list[DeletedItem]:
        item = await self._delete(image.digest, _named(image))
        items = [item]
        if item.problem:
            return items
        try:
            await self._unlist(image.digest)
        except UiError as problem:
            items.append(
                DeletedItem(f"its entry in the list of {image.digest}'s subject", problem.message)
            )
        if companions:
            items += [await self._remove_companion(each) for each in image.companions]
        return items

    async def _remove_companion(self, companion: Dependent) -> DeletedItem:
        return await self._delete(companion.digest, f"{companion.role} {companion.digest}")

    async def _delete(self, reference: str, what: str) -> DeletedItem:
        return await self._noted(what, self._reader.client.delete(self._repository, reference))

    async def _noted(self, what: str, deletion: Awaitable[None]) -> DeletedItem:
        """Wait for the end of a deletion; return what became of it."""
        try:
            await deletion
        except RegistryNotFound:
            return DeletedItem(what, "did not exist any more")
        except UiError as problem:
            return DeletedItem(what, problem.message, problem.registry_status)
        finally:
            self._reader.registry_view.invalidate(self._repository)
            self._progress.done += 1
        return DeletedItem(what)

    async def _unlist(self, digest: str) -> None:
        """
        Take a deleted referrer off the list of its subject, where a tag holds that list.

        :see: OCI distribution-spec, "Deleting Manifests".
        """
        reader = self._reader
        facts = reader.content_cache.manifests.get(digest)
        if facts is None or not facts.subject:
            return
        tag = fallback_tag(facts.subject)
        if tag not in reader.registry_view.repository(self._repository).tags:
            return
        payload = await reader.client.manifest(self._repository, tag)
        try:
            listed = read(payload.content, dict)
            kept = [each for each in listed["manifests"] if each.get("digest") != digest]
            read(payload.content, Manifest)
        except (DocumentInvalid, KeyError, TypeError, AttributeError):
            return
        if not kept:
            await reader.client.delete(self._repository, payload.digest)
        elif len(kept) < len(listed["manifests"]):
            await reader.client.put_index(self._repository, tag, {**listed, "manifests": kept})


def _named(image: PlannedImage) -> str:
    """Name an image by its digest and the first of its tags."""
    if not image.tags:
        return image.digest
    more = len(image.tags) - 10
    tags = ", ".join(image.tags[:10]) + (f" and {more} more" if more > 0 else "")
    return f"{image.digest} ({tags})"


def tags_fingerprint(pointing: dict[str, str]) -> str:
    """Make a text that differs when any of the tags points elsewhere."""
    return sha256(repr(sorted(pointing.items())).encode()).hexdigest()[:32]
