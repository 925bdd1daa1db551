"""
What is attached to an image, and the tags by which tools without the referrers API attach it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from attrs import Factory, define, frozen

from .artifact_types import ATTESTATION, SBOM, SIGNATURE

#: Tags by which tools without the referrers API attach things: an index of the specification's
#: fallback, and cosign's three.
_FALLBACK = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})(\.(?:sig|att|sbom))?")
#: What cosign's tags end in, and what they hold.
SUFFIXES = {".sig": SIGNATURE, ".att": ATTESTATION, ".sbom": SBOM}


@frozen
class AttachedArtifact:
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
    Return what a tag of the fallback schema is about: a digest, and the kind of what it holds.

    Of a digest of SHA-512 such a tag has only the first half.

    :see: OCI distribution-spec, "Referrers Tag Schema"; cosign's signature specification.
    """
    match = _FALLBACK.fullmatch(tag)
    if match is None:
        return None
    return f"{match[1]}:{match[2]}", SUFFIXES.get(match[3] or "", "referrers")


def fallback_tag(digest: str) -> str:
    """
    Return the tag that lists what refers to a digest, where there is no API for it.

    Of the algorithm there are 32 characters at the most, and of what it gave 64.

    :see: OCI distribution-spec, "Referrers Tag Schema".
    """
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


@define
class KnownDependents:
    """
    What was read.

    :ivar attached: What refers to each manifest, and is in the registry.
    :ivar absent: The manifests that the registry does not have, whatever lists them.
    :ivar unread: Why what refers to some of them could not be read; empty if it was.
    """

    attached: dict[str, Collection[AttachedArtifact]] = Factory(dict)
    absent: set[str] = Factory(set)
    unread: str = ""
