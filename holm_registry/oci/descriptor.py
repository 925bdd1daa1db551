from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


class Platform(Struct, frozen=True):
    """What a manifest of an index is for."""

    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(Struct, frozen=True, kw_only=True):
    """
    A pointer to content.

    :see: OCI image-spec, descriptor.md.
    """

    digest: str
    size: int
    media_type: str = field(default="", name="mediaType")
    urls: list[str] = []
    artifact_type: str = field(default="", name="artifactType")
    platform: Platform | None = None


class Referrer(Struct, frozen=True, kw_only=True):
    """
    A descriptor as the referrers API lists it.

    :see: OCI distribution-spec, "Listing Referrers" (end-12a).
    """

    media_type: str = field(name="mediaType")
    digest: str
    size: int
    artifact_type: str | UnsetType = field(default=UNSET, name="artifactType")
    annotations: dict[str, Any] | UnsetType = UNSET
