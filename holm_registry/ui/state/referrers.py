"""
What is attached to an image: signatures, SBOMs, provenance, and whatever else refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve

from holm_registry.ui.client.client import is_digest
from holm_registry.ui.client.concurrency import for_each
from holm_registry.ui.client.exchange import RegistryNotFound
from holm_registry.ui.errors import LoginRequired, RegistryRefused, UiError
from holm_registry.ui.model.artifact_types import (
    ARTIFACT,
    artifact_detail,
)
from holm_registry.ui.model.attachments import SUFFIXES, AttachedArtifact, fallback_tag
from holm_registry.ui.model.documents import Descriptor, DocumentInvalid, ReferrerList, read

from .reader import RegistryReader

#: How many referrers of one image are looked at, and of how many the size is read.
MAX_REFERRERS = 1000
MAX_SIZED = 64

#: How much is remembered of the type of an artifact.
MAX_TYPE_CHARACTERS = 256


async def attached_to(
    reader: RegistryReader, name: str, digest: str
) -> tuple[AttachedArtifact, ...]:
    """
    Find what refers to a manifest, by the API or, without one, by tags.

    :raises UiError: The registry could not be asked.
    """
    found = [*await _listed(reader, name, digest), *await tagged_to(reader, name, digest)]
    return tuple({one.digest: one for one in found}.values())


async def tagged_to(reader: RegistryReader, name: str, digest: str) -> tuple[AttachedArtifact, ...]:
    """
    Find what refers to a manifest by its own tag, as cosign attaches things.

    :raises UiError: The registry could not be asked.
    """
    found: list[AttachedArtifact] = []
    repository = reader.registry_view.repository(name)
    for suffix, kind in SUFFIXES.items():
        tag = fallback_tag(digest) + suffix
        if tag in repository.tags:
            try:
                at = await reader.client.digest_of(name, tag)
                facts = await reader.learn(name, at)
            except RegistryNotFound:
                continue
            size = sum(blob.size for blob in facts.blobs)
            found.append(AttachedArtifact(at, kind, facts.artifact_type, size, digest, tag))
    return tuple(found)


async def with_sizes(
    reader: RegistryReader, name: str, attached: Sequence[AttachedArtifact]
) -> tuple[AttachedArtifact, ...]:
    """
    Have the sizes of what is attached, as far as their manifests can be read.

    :raises LoginRequired: The registry wants to know who asks.
    """
    sizes: dict[str, int] = {}

    async def read_one(one: AttachedArtifact) -> None:
        try:
            facts = await reader.learn(name, one.digest, dated=False)
        except LoginRequired:
            raise
        except UiError:
            return  # its size is not known then
        sizes[one.digest] = sum({blob.digest: blob.size for blob in facts.blobs}.values())

    await for_each([one for one in attached if one.size is None][:MAX_SIZED], read_one)
    return tuple(evolve(one, size=sizes.get(one.digest, one.size)) for one in attached)


async def _listed(reader: RegistryReader, name: str, digest: str) -> Iterable[AttachedArtifact]:
    try:
        found: list[AttachedArtifact] = []
        async for page in reader.client.referrers(name, digest):
            found += _read(page, digest)
            if len(found) >= MAX_REFERRERS:
                break
        return found[:MAX_REFERRERS]
    except LoginRequired:
        raise
    except RegistryNotFound:
        pass
    except RegistryRefused as problem:
        # A registry without this API may say so in other ways than 404.
        if problem.registry_status not in (400, 405, 501):
            raise
    tag = fallback_tag(digest)
    if tag not in reader.registry_view.repository(name).tags:
        return ()
    try:
        listed = _read((await reader.client.manifest(name, tag)).content, digest)
    except RegistryNotFound:
        return ()
    return listed[:MAX_REFERRERS]


def _read(content: bytes, subject: str) -> list[AttachedArtifact]:
    try:
        parts = read(content, ReferrerList).manifests or []
    except DocumentInvalid as problem:
        raise RegistryRefused(
            f"the list of referrers of {subject} is not understood: {problem}", registry_status=200
        ) from problem
    # The next page may hold as much again: what is looked at is all that is kept.
    return [_attached(part, subject) for part in parts[:MAX_REFERRERS] if is_digest(part.digest)]


def _attached(part: Descriptor, subject: str) -> AttachedArtifact:
    kind = artifact_detail(part.artifact_type) or ARTIFACT
    # The size in a list of referrers is that of the manifest, which says nothing about the content.
    return AttachedArtifact(
        part.digest, kind, part.artifact_type[:MAX_TYPE_CHARACTERS], None, subject
    )
