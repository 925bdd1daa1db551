from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field


class Platform(Struct, frozen=True):
    """The platform of a manifest in an index. A null field counts as missing."""

    architecture: str | None = ""
    os: str | None = ""
    variant: str | None = ""


class Descriptor(Struct, frozen=True, kw_only=True):
    """
    A pointer to content. A null field counts as missing.

    :see: OCI image-spec, descriptor.md.
    """

    digest: str
    size: int
    declared_media_type: str | None = field(default="", name="mediaType")
    urls: list[str] | None = None
    platform: Platform | None = None

    @property
    def media_type(self) -> str:
        """The media type; empty if the descriptor has none."""
        return self.declared_media_type or ""


class ReferrerDescriptor(Struct, frozen=True, kw_only=True):
    """
    A descriptor as the referrers API lists it.

    :see: OCI distribution-spec, "Listing Referrers" (end-12a).
    """

    media_type: str = field(name="mediaType")
    digest: str
    size: int
    artifact_type: str | UnsetType = field(default=UNSET, name="artifactType")
    annotations: dict[str, str] | UnsetType = UNSET
