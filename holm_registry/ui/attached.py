"""
What is attached to an image: signatures, SBOMs, provenance, and whatever else refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from .client import is_digest
from .documents import NotUnderstood, Part, ReferrerList, read
from .errors import LoginNeeded, Refused, Trouble
from .exchange import NotFound
from .gate import each
from .kinds import ARTIFACT, ATTESTATION, SBOM, SIGNATURE, telling
from .reader import Reader

#: Tags by which tools without the referrers API attach things: an index of the specification's
#: fallback, and cosign's three.
_FALLBACK = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(\.(?:sig|att|sbom))?")
_SUFFIXES = {".sig": SIGNATURE, ".att": ATTESTATION, ".sbom": SBOM}

#: How many referrers of one image are looked at, and of how many the size is read.
MAX_REFERRERS = 1000
MAX_SIZED = 64

#: How much is remembered of the type of an artifact.
MAX_TYPE_CHARACTERS = 256


@frozen
class Attached:
    """
    Something that refers to an image.

    :ivar size: Of its content, in bytes, as far as that was read; None if it was not.
    :ivar subject: The digest it refers to.
    :ivar tag: The tag it hangs on, where it has one of its own.
    """

    digest: str
    kind: str
    artifact_type: str
    size: int | None
    subject: str
    tag: str = ""


def attachment_of(tag: str) -> tuple[str, str] | None:
    """
    Tell what a tag of the fallback schema is about: a digest, and the kind of what it holds.

    Of a digest of SHA-512 such a tag has only the first half.

    :see: OCI distribution-spec, "Referrers Tag Schema"; cosign's signature specification.
    """
    match = _FALLBACK.fullmatch(tag)
    if match is None:
        return None
    return f"{match[1]}:{match[2]}", _SUFFIXES.get(match[3] or "", "referrers")


def fallback_tag(digest: str) -> str:
    """
    Give the tag that lists what refers to a digest, where there is no API for it.

    Of the algorithm there are 32 characters at the most, and of what it gave 64.

    :see: OCI distribution-spec, "Referrers Tag Schema".
    """
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


async def attached_to(reader: Reader, name: str, digest: str) -> tuple[Attached, ...]:
    """
    Find what refers to a manifest, by the API or, without one, by tags.

    :raises Trouble: The registry could not be asked.
    """
    found = [*await _listed(reader, name, digest), *await tagged_to(reader, name, digest)]
    return tuple({one.digest: one for one in found}.values())


async def tagged_to(reader: Reader, name: str, digest: str) -> tuple[Attached, ...]:
    """
    Find what refers to a manifest by its own tag, as cosign attaches things.

    :raises Trouble: The registry could not be asked.
    """
    found: list[Attached] = []
    repository = reader.library.repository(name)
    for suffix, kind in _SUFFIXES.items():
        tag = fallback_tag(digest) + suffix
        if tag in repository.tags:
            try:
                at = await reader.client.digest_of(name, tag)
                facts = await reader.learn(name, at)
            except NotFound:
                continue
            size = sum(blob.size for blob in facts.blobs)
            found.append(Attached(at, kind, facts.artifact_type, size, digest, tag))
    return tuple(found)


async def with_sizes(
    reader: Reader, name: str, attached: Sequence[Attached]
) -> tuple[Attached, ...]:
    """
    Have the sizes of what is attached, as far as their manifests can be read.

    :raises LoginNeeded: The registry wants to know who asks.
    """
    sizes: dict[str, int] = {}

    async def read_one(one: Attached) -> None:
        try:
            facts = await reader.learn(name, one.digest, dated=False)
        except LoginNeeded:
            raise
        except Trouble:
            return  # its size is not known then
        sizes[one.digest] = sum({blob.digest: blob.size for blob in facts.blobs}.values())

    await each([one for one in attached if one.size is None][:MAX_SIZED], read_one)
    return tuple(evolve(one, size=sizes.get(one.digest, one.size)) for one in attached)


async def _listed(reader: Reader, name: str, digest: str) -> Iterable[Attached]:
    try:
        found: list[Attached] = []
        async for page in reader.client.referrers(name, digest):
            found += _read(page, digest)
            if len(found) >= MAX_REFERRERS:
                break
        return found[:MAX_REFERRERS]
    except LoginNeeded:
        raise
    except NotFound:
        pass
    except Refused as problem:
        # Whoever does not know the address may say so in other ways than 404.
        if problem.registry_status not in (400, 405, 501):
            raise
    tag = fallback_tag(digest)
    if tag not in reader.library.repository(name).tags:
        return ()
    try:
        listed = _read((await reader.client.manifest(name, tag)).content, digest)
    except NotFound:
        return ()
    return listed[:MAX_REFERRERS]


def _read(content: bytes, subject: str) -> list[Attached]:
    try:
        parts = read(content, ReferrerList).manifests or []
    except NotUnderstood as problem:
        raise Refused(
            f"the list of referrers of {subject} is not understood: {problem}", registry_status=200
        ) from problem
    # The next page may hold as much again: what is looked at is all that is kept.
    return [_attached(part, subject) for part in parts[:MAX_REFERRERS] if is_digest(part.digest)]


def _attached(part: Part, subject: str) -> Attached:
    kind = telling(part.artifact_type) or ARTIFACT
    # The size in a list of referrers is that of the manifest, which says nothing about the content.
    return Attached(part.digest, kind, part.artifact_type[:MAX_TYPE_CHARACTERS], None, subject)
