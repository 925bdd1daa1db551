"""
What a deletion would take along: computed before the visitor is asked, and again before it is done.

Pure. Everything is told as far as the registry's API shows it; manifests without a tag that nothing
names cannot be seen through it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256

from attrs import frozen

from holm_registry.ui.model.attachments import KnownDependents, attachment_of, fallback_tag
from holm_registry.ui.model.snapshots import DANGLING, RepositorySnapshot

from .manifest_summary import KnownContent
from .summaries import ContentSet

_MORE_THAN_KEPT = "the registry holds more than the UI keeps in memory"


@frozen
class Dependent:
    """
    A manifest without a tag of its own that goes along with an image.

    :ivar role: What it is to that image: ``linux/arm64``, ``signature``.
    """

    digest: str
    role: str
    tag: str = ""


@frozen
class PlannedImage:
    """
    An image that is to go.

    :ivar tags: Every tag of the repository that points to it.
    :ivar parents: The tags of indexes that stay and list it: then it must stay too.
    :ivar companions: What goes along since nothing else needs it.
    :ivar kept: How many of its platforms stay, since another image or tag has them too.
    """

    digest: str
    tags: tuple[str, ...]
    parents: tuple[str, ...]
    companions: tuple[Dependent, ...]
    kept: int = 0


@frozen
class DeletionPlan:
    """
    What deleting some images of a repository means.

    :ivar freed_bytes: What only they hold.
    :ivar unsure: Why that may be less; empty if it is exact, but for what ``unread`` holds.
    :ivar unread: Other repositories that could not be read: what they share is not taken off.
    :ivar unseen: Tags that stay and of which nothing is known: they might need what is to go.
    :ivar refusal: Why no image may be deleted; empty if they may.
    :ivar unread_referrers: Why what refers to the images could not be read; empty if it was.
    """

    repository: str
    images: tuple[PlannedImage, ...]
    freed_bytes: int
    unsure: str = ""
    unread: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    refusal: str = ""
    unread_referrers: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag that goes."""
        return tuple(tag for image in self.images for tag in image.tags)

    @property
    def blocked(self) -> tuple[PlannedImage, ...]:
        """The images that must stay."""
        return tuple(image for image in self.images if image.parents)

    @property
    def fingerprint(self) -> str:
        """A text that differs when what goes differs: what a visitor agreed to."""
        told = [
            (
                image.digest,
                sorted(image.tags),
                sorted(dependent.digest for dependent in image.companions),
            )
            for image in self.images
        ]
        return sha256(repr(sorted(told)).encode()).hexdigest()[:32]


def plan_deletion(
    contents: KnownContent,
    repository: RepositorySnapshot,
    digests: Sequence[str],
    belonging: KnownDependents,
    others: Iterable[RepositorySnapshot] = (),
) -> DeletionPlan:
    """
    Work out what deleting images means.

    :param repository: With the digests of all its tags known.
    :param belonging: What was read of each digest, and of each of its children.
    :param others: The other repositories, which may hold the same blobs.
    """
    kept = ContentSet()
    staying = _staying(contents, repository, set(digests), kept, belonging.absent)
    pointers = _pointers(contents, repository, staying)
    images = tuple(
        _image(contents, digest, pointers, kept, belonging) for digest in dict.fromkeys(digests)
    )
    others = list(others)
    _add_others(contents, kept, others)
    unsure = _unsure(contents, kept, [repository, *others])
    gone = ContentSet(absent=belonging.absent)
    for image in images:
        gone.add(contents, image.digest)
        for companion in image.companions:
            gone.add(contents, companion.digest)
    if gone.unknown - repository.tagset.absent:
        unsure = "not all of it could be read"
    if belonging.unread:
        unsure = unsure or "what refers to it could not be read"
    unseen = tuple(
        tag for tag, digest in staying.items() if contents.manifests.peek(digest) is None
    )
    unread = tuple(other.name for other in others if _is_unread(other))
    return DeletionPlan(
        repository.name,
        images,
        gone.only_in(kept),
        unsure,
        unread,
        unseen,
        unread_referrers=belonging.unread,
    )


def _staying(
    contents: KnownContent,
    repository: RepositorySnapshot,
    going: set[str],
    kept: ContentSet,
    absent: Collection[str],
) -> dict[str, str]:
    """
    Return the tags that stay and where they point, and add what they need to what is kept.

    Tags that only say what is attached to what goes, go with it and keep nothing alive.
    """
    others = {
        tag.name: tag.digest for tag in repository.tags if tag.digest and tag.digest not in going
    }
    staying = {tag: digest for tag, digest in others.items() if attachment_of(tag) is None}
    for digest in staying.values():
        kept.add(contents, digest)
    children = {child for digest in going for child in children_of(contents, digest, absent)}
    subjects = going | {child for child in children if not kept.has(child)}
    going_with = set(map(fallback_tag, subjects))
    for tag, digest in others.items():
        if attachment_of(tag) is not None and tag.partition(".")[0] not in going_with:
            staying[tag] = digest
            kept.add(contents, digest)
    return staying


def _add_others(
    contents: KnownContent, kept: ContentSet, others: Iterable[RepositorySnapshot]
) -> None:
    """Add what other repositories hold, as far as that is known."""
    for other in others:
        for tag in other.tags:
            # A tag whose manifest is missing holds nothing.
            if tag.digest:
                kept.add(contents, tag.digest)


def _is_unread(other: RepositorySnapshot) -> bool:
    """Return whether a repository could not be read: its tags, or what is behind one of them."""
    return bool(other.problem) or any(tag.problem not in ("", DANGLING) for tag in other.tags)


def _unsure(
    contents: KnownContent, kept: ContentSet, repositories: Sequence[RepositorySnapshot]
) -> str:
    """Return why more may be kept than is known; what the registry does not have keeps nothing."""
    if contents.full:
        return _MORE_THAN_KEPT
    reading = sum(not _is_read(repository) for repository in repositories[1:])
    if reading:
        noun = "repository is" if reading == 1 else "repositories are"
        return f"{reading:,} other {noun} still being read"
    missing = frozenset[str]().union(*(repository.tagset.absent for repository in repositories))
    if kept.unknown - missing and not any(map(_is_unread, repositories)):
        return _MORE_THAN_KEPT
    return ""


def _is_read(repository: RepositorySnapshot) -> bool:
    """Return whether reading a repository has come to its end, whatever that was."""
    if repository.problem:
        return True
    return repository.listed and all(tag.settled for tag in repository.tags)


@frozen
class _ReverseReferences:
    """
    What points to manifests: looked through once, for however many images are to go.

    :ivar tags: By digest, the tags that point to it.
    :ivar lists: By its name, each tag that lists referrers, and where it points.
    :ivar parents: By the digest of a child, the tags of indexes that stay and hold it.
    """

    tags: Mapping[str, list[str]]
    lists: Mapping[str, str]
    parents: Mapping[str, set[str]]


def _pointers(
    contents: KnownContent, repository: RepositorySnapshot, staying: Mapping[str, str]
) -> _ReverseReferences:
    tags: dict[str, list[str]] = {}
    for tag in repository.tags:
        tags.setdefault(tag.digest, []).append(tag.name)
    lists = {
        tag.name: tag.digest
        for tag in repository.tags
        if (attachment_of(tag.name) or ("", ""))[1] == "referrers"
    }
    parents: dict[str, set[str]] = {}
    # The fallback's lists name what they do not need.
    indexes = {parent for tag, parent in staying.items() if attachment_of(tag) is None}
    for parent in indexes:
        holding = [tag for tag in tags.get(parent, ()) if attachment_of(tag) is None]
        for child in children_of(contents, parent):
            parents.setdefault(child, set()).update(holding)
    return _ReverseReferences(tags, lists, parents)


def _image(
    contents: KnownContent,
    digest: str,
    pointers: _ReverseReferences,
    kept: ContentSet,
    belonging: KnownDependents,
) -> PlannedImage:
    children = list(_children(contents, digest, belonging.absent))
    going = [(child, role) for child, role in children if not kept.has(child)]
    companions = [Dependent(child, role) for child, role in going]
    subjects = [digest, *(child for child, _ in going)]
    for subject in subjects:
        companions += [
            Dependent(referrer.digest, referrer.kind, referrer.tag)
            for referrer in belonging.attached.get(subject, ())
            if not kept.has(referrer.digest)
        ]
    companions += [
        Dependent(pointers.lists[tag], "list of referrers", tag)
        for tag in map(fallback_tag, subjects)
        if tag in pointers.lists and not kept.has(pointers.lists[tag])
    ]
    return PlannedImage(
        digest,
        tuple(pointers.tags.get(digest, ())),
        tuple(sorted(pointers.parents.get(digest, ()))),
        tuple(
            {
                dependent.digest: dependent
                for dependent in companions
                if dependent.digest != digest
            }.values()
        ),
        kept=len(children) - len(going),
    )


def children_of(contents: KnownContent, digest: str, absent: Collection[str] = ()) -> list[str]:
    """
    Return the digests of all that an index holds, at any depth.

    :param absent: Those that the registry does not have, and that are left out.
    """
    return [child for child, _ in _children(contents, digest, absent)]


def _children(
    contents: KnownContent, digest: str, absent: Collection[str], depth: int = 0
) -> Iterable[tuple[str, str]]:
    facts = contents.manifests.peek(digest)
    if facts is None or depth > 3:
        return
    for child in facts.children:
        # A child that is not here cannot go.
        if child.digest not in absent and contents.manifests.peek(child.digest) is not None:
            yield child.digest, child.platform or ("provenance" if child.attests else "manifest")
            yield from _children(contents, child.digest, absent, depth + 1)
