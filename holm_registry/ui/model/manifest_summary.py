"""
What is remembered of each manifest and config: little, since there may be very many.
"""

from __future__ import annotations

from sys import intern
from typing import Protocol, TypeVar

from attrs import define, frozen

from .artifact_types import CHART, IMAGE, OBSOLETE, UNKNOWN, classify
from .dates import recorded_date
from .documents import Descriptor, DocumentInvalid, ImageConfig, Manifest, read
from .platforms import platform_text

#: The annotation by which BuildKit marks provenance and SBOMs inside an index.
_REFERENCE_TYPE = "vnd.docker.reference.type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"
CREATED = "org.opencontainers.image.created"

#: What an object of these costs in memory, roughly, in bytes.
_COST_OF_FACTS = 600
_COST_OF_CONFIG = 400
_COST_OF_PART = 120

#: How much of a type, or of what should be a digest, is remembered.
MAX_CHARACTERS = 256


V_co = TypeVar("V_co", covariant=True)


class Known(Protocol[V_co]):
    """A cache, by digest."""

    def peek(self, key: str, /) -> V_co | None:
        """Return a value; None if it is not known. Safe to call from any thread."""


class KnownContent(Protocol):
    """What is known of manifests and configs; the UI's content cache."""

    @property
    def manifests(self) -> Known[ManifestSummary]:
        """Manifests."""

    @property
    def configs(self) -> Known[ConfigSummary]:
        """Configs."""

    @property
    def full(self) -> bool:
        """Whether there is no room for more, so that much may be unknown."""


@frozen
class Blob:
    """Content by its digest, and how large it is said to be."""

    digest: str
    size: int


@frozen
class Child:
    """
    An entry of an index.

    :ivar attests: The digest of the sibling that this one is about: provenance or an SBOM.
    """

    digest: str
    size: int
    platform: str
    attests: str = ""
    artifact_type: str = ""


@define
class ManifestSummary:
    """
    What a manifest says.

    :ivar size: Of the manifest itself, in bytes.
    :ivar config: The config, where it is that of an image.
    :ivar blobs: The config and the layers.
    :ivar created: When it was built, as its annotations say; see :func:`.dates.recorded_date`.
    :ivar parse_error: Why it was not understood; empty if it was.
    :ivar summary: The cached sum of it; see :mod:`.summaries`.
    """

    digest: str
    media_type: str
    kind: str
    size: int
    config: Blob | None = None
    blobs: tuple[Blob, ...] = ()
    layers: int = 0
    children: tuple[Child, ...] = ()
    subject: str = ""
    artifact_type: str = ""
    created: str = ""
    parse_error: str = ""
    summary: object = None

    @property
    def cost(self) -> int:
        """Roughly what it takes of memory, in bytes."""
        texts = [self.media_type, self.artifact_type, self.subject, self.created, self.parse_error]
        texts += [text for child in self.children for text in (child.attests, child.artifact_type)]
        parts = _COST_OF_PART * (len(self.blobs) + 2 * len(self.children))
        return _COST_OF_FACTS + parts + sum(map(len, texts))


@frozen
class ConfigSummary:
    """What an image's config says: when it was built, for what, and why that is not known."""

    created: str = ""
    platform: str = ""
    parse_error: str = ""

    @property
    def cost(self) -> int:
        """Roughly what it takes of memory, in bytes."""
        return _COST_OF_CONFIG


def summarize_manifest(digest: str, media_type: str, content: bytes) -> ManifestSummary:
    """Read a manifest; one that is not understood is remembered as such."""
    try:
        manifest = read(content, Manifest)
    except DocumentInvalid as problem:
        return ManifestSummary(
            digest, media_type, UNKNOWN, len(content), parse_error=str(problem)[:300]
        )
    kind = classify(manifest)
    media_type = (manifest.media_type or media_type)[:MAX_CHARACTERS]
    if kind == OBSOLETE:
        return ManifestSummary(digest, media_type, kind, len(content))
    layers = [*(manifest.layers or []), *(manifest.blobs or [])]
    config = manifest.config
    return ManifestSummary(
        digest,
        media_type,
        kind,
        len(content),
        config=None if config is None else _blob(config),
        blobs=tuple(map(_blob, [*([] if config is None else [config]), *layers])),
        layers=len(layers),
        children=tuple(map(_child, manifest.manifests or [])),
        subject=manifest.subject.digest[:MAX_CHARACTERS] if manifest.subject else "",
        artifact_type=(manifest.artifact_type or (config.media_type if config else ""))[
            :MAX_CHARACTERS
        ],
        created=recorded_date((manifest.annotations or {}).get(CREATED, "")),
    )


def summarize_config(content: bytes) -> ConfigSummary:
    """Read an image's config."""
    try:
        config = read(content, ImageConfig)
    except DocumentInvalid as problem:
        return ConfigSummary(parse_error=str(problem)[:300])
    return ConfigSummary(
        recorded_date(config.created or ""),
        platform_text(config.os, config.architecture, config.variant)[:100],
    )


def has_platform_config(facts: ManifestSummary) -> bool:
    """Return whether to fetch the config: for build date and platform, or a chart's date."""
    if facts.config is None:
        return False
    return facts.kind == IMAGE or (facts.kind == CHART and not facts.created)


def _blob(part: Descriptor) -> Blob:
    # Many images share layers; interned, their digests are in memory once.
    return Blob(intern(part.digest[:MAX_CHARACTERS]), part.size)


def _child(part: Descriptor) -> Child:
    annotations = part.annotations or {}
    platform = part.platform
    return Child(
        part.digest[:MAX_CHARACTERS],
        part.size,
        platform_text(platform.os, platform.architecture, platform.variant)[:100]
        if platform
        else "",
        attests=(
            annotations.get(_REFERENCE_DIGEST, "?")[:MAX_CHARACTERS]
            if annotations.get(_REFERENCE_TYPE) == "attestation-manifest"
            else ""
        ),
        artifact_type=part.artifact_type[:MAX_CHARACTERS],
    )
