"""
An image opened for reading: its manifest, the platform that was chosen, and its config.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from holm_registry.oci import media_types
from holm_registry.ui.client.exchange import RegistryNotFound, TooLarge
from holm_registry.ui.errors import InvalidRequest
from holm_registry.ui.model.artifact_types import CHART, IMAGE, INDEX, classify
from holm_registry.ui.model.documents import Descriptor, DocumentInvalid, Manifest, read
from holm_registry.ui.model.platforms import in_order, platform_text
from holm_registry.ui.model.references import ImageReference

from .reader import RegistryReader

#: How many manifests are fetched to find the one to show.
MAX_LOOKED_INTO = 32


@frozen
class IndexEntry:
    """
    An entry of an index.

    :ivar label: Its platform, or what else tells it apart.
    :ivar attests: The digest of the entry that it is about: provenance or an SBOM.
    :ivar is_index: Whether it is an index in the index.
    :ivar has_platform: Whether the label is a platform.
    """

    digest: str
    label: str
    size: int
    attests: str = ""
    is_index: bool = False
    has_platform: bool = False


@frozen
class LoadedImage:
    """
    :ivar digest: What the reference points to: what a pull prints.
    :ivar index: The bytes of the index; None if the reference is no index.
    :ivar entries: What the index holds, in a fixed order.
    :ivar chosen: The digest of the manifest shown: of one platform of an index, or of an index in
        it; or the reference's.
    :ivar missing: Whether the chosen one is not in the registry.
    """

    reference: ImageReference
    digest: str
    index: bytes | None
    entries: Sequence[IndexEntry]
    chosen: str
    platform: str
    payload: bytes
    media_type: str
    config: bytes | None
    missing: bool = False


async def load_image(
    reader: RegistryReader, reference: ImageReference, platform: str = ""
) -> LoadedImage:
    """
    Fetch what a page about an image needs.

    :param platform: Which one of an index; the first if empty.
    :raises RegistryNotFound: There is no such image.
    :raises InvalidRequest: It has no such platform.
    """
    repository = reference.repository
    # Whatever is remembered by digest: that it is there is asked each time.
    digest = await reader.client.digest_of(repository, reference.reference)
    payload, media_type = await payload_of(reader, repository, digest)
    manifest = _read(payload)
    if classify(manifest) != INDEX:
        config = await _config(reader, repository, manifest)
        return LoadedImage(reference, digest, None, (), digest, "", payload, media_type, config)
    entries = _entries(manifest)
    found = await _find_image(reader, repository, entries, platform)
    if found is None and platform:
        raise InvalidRequest(f"{reference} has no platform {platform[:100]!r}")
    if found is None:
        return LoadedImage(
            reference, digest, payload, entries, digest, "", payload, media_type, None
        )
    chosen, content = found
    if content is None:
        return LoadedImage(
            reference, digest, payload, entries, chosen.digest, chosen.label, payload, media_type,
            None, missing=True,
        )  # fmt: skip
    child, child_type = content
    config = await _config(reader, repository, _read(child))
    return LoadedImage(
        reference, digest, payload, entries, chosen.digest, chosen.label, child, child_type, config
    )


async def _find_image(
    reader: RegistryReader, repository: str, entries: Sequence[IndexEntry], platform: str
) -> tuple[IndexEntry, tuple[bytes, str] | None] | None:
    """
    Find the image for a platform in an index, or in the indexes in it, as clients do.

    :param platform: Which one; the first that the registry has if empty.
    :return: Its entry, and its bytes and media type; None for these if the registry lacks it.
    """
    lists, looked_into, missing = [entries], 0, None
    for listed in lists:
        for entry in sorted(listed, key=lambda entry: entry.is_index):
            wanted = platform in ("", entry.label) and not entry.is_index
            if entry.attests or not (wanted or entry.is_index):
                continue
            if looked_into >= MAX_LOOKED_INTO:
                return missing
            looked_into += 1
            try:
                content = await payload_of(reader, repository, entry.digest)
            except RegistryNotFound:
                missing = missing or ((entry, None) if wanted else None)
                continue
            if wanted:
                return entry, content
            lists.append(_entries(_read(content[0])))
    return missing


async def payload_of(reader: RegistryReader, repository: str, digest: str) -> tuple[bytes, str]:
    """
    Fetch a manifest by its digest, and what it is served as; remembered ones are not fetched again.
    """
    # By repository: who may read one of them may not read all content that it could name.
    key = f"{repository}@{digest}"
    payload = reader.content_cache.payloads.get(key)
    if payload is None:
        payload = (await reader.client.manifest(repository, digest)).content
        reader.content_cache.payloads.put(key, payload, len(payload))
    facts = await reader.learn(repository, digest)
    return payload, facts.media_type


async def _config(reader: RegistryReader, repository: str, manifest: Manifest) -> bytes | None:
    """Fetch the config of an image or a chart; None where there is none worth showing."""
    config = manifest.config
    if config is None or classify(manifest) not in (IMAGE, CHART):
        return None
    key = f"{repository}@{config.digest}"
    remembered = reader.content_cache.payloads.get(key)
    if remembered is not None:
        return remembered
    try:
        content = await reader.client.blob(repository, config.digest)
    except (RegistryNotFound, TooLarge):
        return None
    reader.content_cache.payloads.put(key, content, len(content))
    return content


def _read(payload: bytes) -> Manifest:
    try:
        return read(payload, Manifest)
    except DocumentInvalid:
        return Manifest()


def _entries(manifest: Manifest) -> list[IndexEntry]:
    parts = manifest.manifests or []
    labels = [_label(part, number) for number, part in enumerate(parts, 1)]
    order = in_order(labels)
    entries = [
        IndexEntry(
            part.digest,
            label,
            max(0, part.size),
            _attests(part),
            is_index=part.media_type in media_types.INDEXES,
            has_platform=bool(_platform(part)),
        )
        for part, label in zip(parts, labels, strict=True)
    ]
    return sorted(entries, key=lambda entry: (bool(entry.attests), order.index(entry.label)))


def _label(part: Descriptor, number: int) -> str:
    version = part.platform.os_version if part.platform else ""
    text = " ".join(filter(None, (_platform(part), version)))
    return text or part.artifact_type or f"entry {number}"


def _platform(part: Descriptor) -> str:
    platform = part.platform
    if platform is None:
        return ""
    return platform_text(platform.os, platform.architecture, platform.variant)


def _attests(part: Descriptor) -> str:
    annotations = part.annotations or {}
    if annotations.get("vnd.docker.reference.type") != "attestation-manifest":
        return ""
    return annotations.get("vnd.docker.reference.digest", "?")
