"""
Finding out: one visitor's questions to the registry, each asked no more often than needed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from math import inf

from twisted.internet.interfaces import IReactorTime

from holm_registry.ui.client.client import NameList, RegistryClient, is_digest
from holm_registry.ui.client.concurrency import for_each
from holm_registry.ui.client.exchange import RegistryNotFound, TooLarge
from holm_registry.ui.client.single_flight import with_deadline
from holm_registry.ui.errors import ContentMissing, LoginRequired, UiError
from holm_registry.ui.model.dates import build_date
from holm_registry.ui.model.manifest_summary import (
    Child,
    ConfigSummary,
    ManifestSummary,
    has_platform_config,
    summarize_config,
    summarize_manifest,
)
from holm_registry.ui.model.snapshots import DANGLING, RepositorySnapshot

from .content_cache import ContentCache
from .visitor_cache import KnownRepository, RegistryView

#: How old an answer may be before the registry is asked again, in seconds.
NAMES_SECONDS = 0.5
TAGS_SECONDS = 0.5
DIGEST_SECONDS = 1.0
SURVEY_TAGS_SECONDS = 15.0
SURVEY_DIGEST_SECONDS = 300.0
SURVEY_SECONDS = 5.0
STUDY_SECONDS = 60.0
ABSENT_SECONDS = 30.0

#: How long a page waits for news when it has something older to show, in seconds.
PATIENCE_SECONDS = 0.8

#: How many children of an index are looked at, and how many indexes may lie in one another.
MAX_CHILDREN = 256
MAX_DEPTH = 3


class RegistryReader:
    """
    Asks the registry in a visitor's name, and notes what it learns.

    :param client: Asks as the visitor.
    :param registry_view: What this visitor knows already.
    """

    def __init__(
        self,
        client: RegistryClient,
        library: RegistryView,
        contents: ContentCache,
        clock: IReactorTime,
    ) -> None:
        self.client = client
        self.registry_view = library
        self.content_cache = contents
        self.clock = clock

    def background(self) -> RegistryReader:
        """Return a reader for background work."""
        return RegistryReader(
            self.client.background(), self.registry_view, self.content_cache, self.clock
        )

    # Names.

    async def names(self, max_age: float = NAMES_SECONDS) -> None:
        """
        Have the list of repositories, younger than ``max_age`` seconds; 0 asks anew.

        :raises UiError: It could not be had.
        """
        library = self.registry_view
        if library.doubted or max_age == 0:
            # Another visitor's request may be older than the change.
            await self._names()
        elif self.clock.seconds() - library.named_at >= max_age:
            await library.flights.join("names", self._names)

    async def all_names(self) -> NameList:
        """
        List the repositories anew, as the registry does.

        :raises UiError: They could not be had.
        """
        return await self._names()

    async def _names(self) -> NameList:
        asked_at, changes = self.clock.seconds(), self.registry_view.changes
        listed = await self.client.repositories()
        self.registry_view.list_repositories(
            sorted(listed.names), asked_at, changes, complete=listed.complete
        )
        return listed

    async def tags(
        self, name: str, max_age: float = TAGS_SECONDS, *, make_room: bool = True
    ) -> KnownRepository:
        """
        Have the tags of a repository, younger than ``max_age`` seconds; 0 asks anew.

        :param make_room: Whether other repositories are forgotten where there is no room for them.
        :raises RegistryNotFound: There is no such repository.
        :raises UiError: They could not be had.
        """
        known = self.registry_view.repositories.get(name)
        if max_age == 0 or (known is not None and known.doubted):
            await self._tags(name, make_room=make_room)
        elif known is None or self.clock.seconds() - known.listed_at >= max_age:
            await self.registry_view.flights.join(
                ("tags", name, make_room), lambda: self._tags(name, make_room=make_room)
            )
        known = self.registry_view.repositories.get(name)
        if known is None:
            raise ContentMissing(f"no such repository: {name}")
        return known

    async def all_tags(self, name: str) -> NameList:
        """
        List the tags of a repository anew, as the registry does.

        :raises RegistryNotFound: There is no such repository.
        :raises UiError: They could not be had.
        """
        return await self._tags(name)

    async def tags_if_room(self, name: str, max_age: float) -> KnownRepository | None:
        """
        Have the tags of one of many repositories; None where there is no room for them.

        :raises UiError: They could not be had.
        """
        known = self.registry_view.repositories.get(name)
        budget = self.registry_view.budget
        if known is not None and known.is_aside and budget.cost_bytes > budget.max_bytes / 2:
            return None
        return await self.tags(name, max_age, make_room=False)

    async def _tags(self, name: str, *, make_room: bool = True) -> NameList:
        asked_at, changes = self.clock.seconds(), self.registry_view.changes
        try:
            listed = await self.client.tags(name)
        except RegistryNotFound:
            # registry:2 lists repositories whose last tag is gone, and does not know them here.
            self.registry_view.forget(name)
            raise
        except UiError as problem:
            known = self.registry_view.repositories.get(name)
            if known is not None:
                known.problem = problem.message
            raise
        repository = self.registry_view.repository(name)
        repository.list_tags(listed.names, asked_at, complete=listed.complete, make_room=make_room)
        self.registry_view.keep(repository)
        repository.doubted = repository.doubted and self.registry_view.changes != changes
        return listed

    # Digests, and what is behind them.

    async def study(
        self, name: str, tags: Iterable[str], max_age: float = DIGEST_SECONDS, at_once: int = 16
    ) -> None:
        """
        Have the digests of tags, younger than ``max_age`` seconds, and the facts behind them.

        What is odd with one tag is noted with it, and stops none of the others.

        :raises LoginRequired: The registry wants to know who asks.
        """

        async def study_one(tag: str) -> None:
            repository = self.registry_view.repository(name)
            known = repository.tags.get(tag)
            if known is None:
                return
            old = self.clock.seconds() - known.seen_at >= max_age
            if not old and self._learned(repository, known.digest):
                repository.mark_settled(tag)
                return
            # Callers that need a newer answer start their own request.
            await self.registry_view.flights.join(
                ("tag", name, tag, old), lambda: self._study_one(name, tag, ask=old)
            )

        await for_each(tags, study_one, at_once=at_once)

    async def _study_one(self, name: str, tag: str, *, ask: bool) -> None:
        repository = self.registry_view.repository(name)
        known = repository.tags.get(tag)
        asked_at = self.clock.seconds()
        digest = known.digest if known is not None else ""
        try:
            if ask or not digest:
                digest = await self._identify(name, tag, digest)
                repository.see(tag, digest, asked_at)
            await self.learn(name, digest)
            repository.mark_settled(tag)
        except LoginRequired:
            raise
        except RegistryNotFound:
            repository.mark_failed(tag, DANGLING, asked_at)
        except UiError as problem:
            repository.mark_failed(tag, problem.message, asked_at)

    async def _identify(self, name: str, tag: str, digest: str) -> str:
        """Ask where a tag points; one never seen is fetched whole, which tells both at once."""
        if digest:
            return await self.client.digest_of(name, tag)
        payload = await self.client.manifest(name, tag)
        self.content_cache.learn(
            summarize_manifest(payload.digest, payload.media_type, payload.content)
        )
        return payload.digest

    def _learned(self, repository: KnownRepository, digest: str) -> bool:
        """Return whether all is known that can be, of what a summary of a manifest wants."""
        return self._complete(repository, digest, 0, dated=True)

    def _complete(
        self, repository: KnownRepository, digest: str, depth: int, *, dated: bool
    ) -> bool:
        facts = self.content_cache.manifests.get(digest)
        if facts is None:
            return self._absent(repository, digest)
        if dated and has_platform_config(facts) and facts.config is not None:
            config = facts.config.digest
            if self.content_cache.configs.get(config) is None and not self._absent(
                repository, config
            ):
                return False
        return depth >= MAX_DEPTH or all(
            self._complete(repository, child.digest, depth + 1, dated=wanted)
            for child, wanted in _children(facts)
        )

    def _absent(self, repository: KnownRepository, digest: str) -> bool:
        missed_at = repository.absent.get(digest, -inf)
        return self.clock.seconds() - missed_at <= ABSENT_SECONDS

    async def learn(
        self, name: str, digest: str, depth: int = 0, *, dated: bool = True
    ) -> ManifestSummary:
        """
        Have the facts of a manifest, of its children, and of the config that tells its age.

        Children and configs that are not there are noted with the repository.

        :param dated: Whether its age and platform are wanted.
        :raises UiError: The manifest itself could not be had.
        """
        facts = self.content_cache.manifests.get(digest)
        if facts is None:
            _require_digest(digest)
            payload = await self.client.manifest(name, digest)
            facts = summarize_manifest(digest, payload.media_type, payload.content)
            self.content_cache.learn(facts)
        if dated and has_platform_config(facts) and facts.config is not None:
            await self._learn_config(name, facts.config.digest)
        if depth < MAX_DEPTH:
            for child, wanted in _children(facts):
                await self._unless_absent(name, child.digest, self.learn, depth + 1, dated=wanted)
        return facts

    async def _learn_config(self, name: str, digest: str) -> None:
        if self.content_cache.configs.get(digest) is None:
            await self._unless_absent(name, digest, self._fetch_config)

    async def _fetch_config(self, name: str, digest: str) -> None:
        _require_digest(digest)
        try:
            facts = summarize_config(await self.client.blob(name, digest))
        except TooLarge as problem:
            facts = ConfigSummary(parse_error=problem.message)
        self.content_cache.learn_config(digest, facts)

    async def _unless_absent(
        self,
        name: str,
        digest: str,
        learn: Callable[..., Awaitable[object]],
        *args: object,
        **kwargs: object,
    ) -> None:
        """Learn content that may be missing, as sparse indexes allow; note that it is."""
        repository = self.registry_view.repository(name)
        if self._absent(repository, digest):
            return
        try:
            await learn(name, digest, *args, **kwargs)
        except RegistryNotFound:
            repository.mark_missing(digest, self.clock.seconds())
        else:
            repository.regain(digest)

    # Everything.

    async def look(self, name: str, shown: Iterable[str]) -> bool:
        """
        Have what a page shows of a repository, as far as that can be had soon.

        :return: Whether all of it is fresh.
        """
        return await with_deadline(
            self.clock, PATIENCE_SECONDS, lambda: self.study(name, list(shown))
        )

    def study_all(self, name: str) -> None:
        """Begin to look at all tags of a repository, for orders and aliases."""
        reader = self.background()
        self.registry_view.studies.begin(
            self.registry_view.flights,
            ("study", name),
            lambda: reader._study_all(name, 12),  # noqa: SLF001
        )

    async def _study_all(self, name: str, at_once: int) -> None:
        known = self.registry_view.repositories.get(name)
        if known is None or self.content_cache.full:
            return
        now = self.clock.seconds()
        if known.version == known.studied_version and now - known.studied_at < STUDY_SECONDS:
            # Ten thousand tags are not looked through for each page of them.
            return
        await self.study(name, list(known.tags), SURVEY_DIGEST_SECONDS, at_once=at_once)
        known.studied_at, known.studied_version = now, known.version

    def survey(self, *, at_once: bool = False) -> None:
        """
        Begin to look through the whole registry, if that was not done just now.

        :param at_once: Also if it was.
        """
        if at_once or self.clock.seconds() - self.registry_view.surveyed_at >= SURVEY_SECONDS:
            self.registry_view.surveys.begin(
                self.registry_view.flights,
                "survey",
                self.background()._survey,  # noqa: SLF001
            )

    async def survey_soon(self) -> None:
        """Look through the whole registry, and wait for the end if that is near."""

        async def survey() -> None:
            # One that was listed or changed since is not known from the last time.
            unknown = any(
                known.doubted or not (known.problem or known.listed)
                for known in self.registry_view.repositories.values()
            )
            if unknown or self.clock.seconds() - self.registry_view.surveyed_at >= SURVEY_SECONDS:
                self.survey(at_once=True)
                if self.registry_view.flights.in_progress("survey"):
                    await self.registry_view.flights.join("survey", self.background()._survey)  # noqa: SLF001

        await with_deadline(self.clock, PATIENCE_SECONDS, survey)

    async def _survey(self) -> None:
        names = list(self.registry_view.repositories)
        # All lists of tags first: they are what search and counts need.
        await for_each(names, self._survey_tags, at_once=8)
        await for_each(names, self._survey_images, at_once=3)
        self.registry_view.surveyed_at = self.clock.seconds()

    async def _survey_tags(self, name: str) -> None:
        try:
            await self.tags_if_room(name, SURVEY_TAGS_SECONDS)
        except UiError:
            return  # noted with the repository

    async def _survey_images(self, name: str) -> None:
        await self._study_all(name, 4)

    def snapshot(self, name: str) -> RepositorySnapshot:
        """Take a picture of a repository."""
        return self.registry_view.repository(name).snapshot()


def _require_digest(text: str) -> None:
    """
    Require what a manifest names to be a digest; anything else might be taken for a tag.

    :raises RegistryNotFound: There can be no such content.
    """
    if not is_digest(text):
        raise RegistryNotFound("the registry sent a digest that is not valid")


def _children(facts: ManifestSummary) -> Iterator[tuple[Child, bool]]:
    """Return the children that are looked at, and whether their age is wanted: one dates all."""
    dated = build_date(facts.created) is None
    for child in facts.children[:MAX_CHILDREN]:
        wanted = not child.attests and (dated or not child.platform)
        yield child, wanted
        dated = dated and not wanted
