"""
Reading manifests, indexes and artifacts: what they are and what they name.

:see: OCI image-spec, manifest.md and image-index.md; Docker image manifest v2, schema 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

import msgspec
from attrs import frozen
from msgspec import UNSET, Raw, Struct, UnsetType, field

from . import media_types
from .descriptor import Descriptor, ReferrerDescriptor
from .digest import Digest
from .errors import DigestInvalid, ManifestInvalid
from .json_text import readable, require_text, without_depths

#: The largest manifest taken, in bytes (the least that the specification wants supported).
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


#: What is larger than this, in bytes, is decoded one at a time, and has so many bytes for each
#: quotation mark: 4 MiB of ``"":"",`` would become hundreds of MiB of objects. A descriptor has ten
#: for each.
_LARGE_BYTES = 256 * 1024
_BYTES_PER_QUOTE = 5
_LARGE = Lock()

P = ParamSpec("P")
T = TypeVar("T")


class _Payload(Struct, kw_only=True):
    """
    Every field, of any kind of manifest, that a registry has to look at.

    Any of them may be null, which says as much as leaving it out: Go programs write empty lists so.
    """

    schema_version: int | None = field(default=0, name="schemaVersion")
    media_type: str | None = field(default="", name="mediaType")
    artifact_type: str | None = field(default="", name="artifactType")
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    blobs: list[Descriptor] | None = None
    manifests: list[Descriptor] | UnsetType | None = UNSET
    subject: Descriptor | None = None
    #: Left as text, since what stands in it may be anything, and a great deal of it.
    annotations: Raw = Raw()

    @property
    def is_index(self) -> bool:
        """Whether it holds manifests: also none, also null unless it is an image."""
        return isinstance(self.manifests, list) or not (self.manifests is UNSET or self.is_image)

    @property
    def is_image(self) -> bool:
        """Whether it holds what an image does."""
        return self.config is not None or self.layers is not None


_decoder = msgspec.json.Decoder(_Payload)
_annotations = msgspec.json.Decoder(dict[str, str] | None)


@frozen
class Manifest:
    """
    A manifest that was understood.

    :ivar media_type: What it is to be served as.
    :ivar artifact_type: What the referrers API calls it; may be empty.
    :ivar blobs: The config and the layers, with their digests read.
    :ivar manifests: The children of an index, with their digests read.
    """

    media_type: str
    artifact_type: str
    blobs: tuple[tuple[Digest, Descriptor], ...]
    manifests: tuple[tuple[Digest, Descriptor], ...]
    subject: Digest | None
    annotations: dict[str, str]

    def referrer(self, digest: Digest, size_bytes: int) -> ReferrerDescriptor:
        """Describe this manifest for the list of its subject's referrers."""
        return ReferrerDescriptor(
            media_type=self.media_type,
            digest=str(digest),
            size=size_bytes,
            artifact_type=self.artifact_type or msgspec.UNSET,
            annotations=self.annotations or msgspec.UNSET,
        )


def _in_turn(
    read: Callable[Concatenate[bytes, P], T],
) -> Callable[Concatenate[bytes, P], T]:
    """Have large texts decoded one at a time: what they say takes many times their memory."""

    @wraps(read)
    def run(payload: bytes, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with _LARGE if len(payload) > _LARGE_BYTES else nullcontext():
            return read(payload, *args, **kwargs)

    return run


@_in_turn
def accept_manifest(payload: bytes, content_type: str = "") -> Manifest:
    """
    Understand a manifest that is to be taken in: more is asked of it than of a stored one.

    :param content_type: What the client calls it.
    :raises ManifestInvalid: As :func:`parse_manifest` does; it is not UTF-8 throughout, nested too
        deep, of what is no media type, or of an OCI type, and its annotations are no strings.
    """
    require_text(payload)
    decoded = _decode(payload)
    manifest = _understand(decoded, content_type)
    _require_media_types(decoded)
    if manifest.media_type not in media_types.ANNOTATED:
        # What others mean by annotations is theirs.
        return manifest
    try:
        _read_annotations(decoded)
    except msgspec.MsgspecError as problem:
        raise ManifestInvalid(f"annotations must be strings: {problem}") from problem
    return manifest


@_in_turn
def parse_manifest(payload: bytes, content_type: str = "") -> Manifest:
    """
    Understand a manifest.

    :param content_type: What the client calls it; empty for one that was stored before.
    :raises ManifestInvalid: It is not JSON, of a schema no longer taken, contradicts itself or
        its content type, or names something by no valid digest.
    """
    return _understand(_decode_stored(payload), content_type)


def _understand(decoded: _Payload, content_type: str) -> Manifest:
    media_type = _media_type(decoded, media_types.bare(content_type))
    _refuse_contradictions(decoded, media_type)
    blobs = [*(decoded.layers or []), *(decoded.blobs or [])]
    if decoded.config is not None:
        blobs.insert(0, decoded.config)
    subject = None if decoded.subject is None else next(_digests([decoded.subject]))[0]
    return Manifest(
        media_type=media_type,
        artifact_type=decoded.artifact_type or _config_type(decoded),
        blobs=tuple(_digests(blobs)),
        manifests=tuple(_digests(decoded.manifests or [])),
        subject=subject,
        annotations=_stored_annotations(decoded),
    )


@_in_turn
def stored_media_type(payload: bytes) -> str:
    """
    Tell what stored bytes are to be served as, whatever they are.

    The tree of registry:2 keeps no content type: the bytes must tell. Never fails, since what
    an older registry accepted must still be served.
    """
    try:
        decoded = _decode_stored(payload)
    except ManifestInvalid:
        return media_types.OCTET_STREAM
    if decoded.schema_version == 1:
        return media_types.DOCKER_SCHEMA1_SIGNED
    declared = decoded.media_type or ""
    if not media_types.is_media_type(declared):
        declared = _type_by_shape(decoded)
    return declared or media_types.OCTET_STREAM


def _decode(payload: bytes) -> _Payload:
    if len(payload) > _LARGE_BYTES and payload.count(b'"') * _BYTES_PER_QUOTE > len(payload):
        raise ManifestInvalid("a large manifest may not consist of short strings")
    try:
        try:
            return _decoder.decode(payload)
        except RecursionError:
            return _decoder.decode(without_depths(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        # The decoder calls the text cut short, or names a byte that is not the reason.
        halved = readable(payload) != payload
        reason = "a string holds half of a surrogate pair" if halved else problem
        raise ManifestInvalid(f"manifest does not parse: {reason}") from problem


def _decode_stored(payload: bytes) -> _Payload:
    """Decode what an older registry may have taken in, with text that is not taken in now."""
    try:
        return _decode(payload)
    except ManifestInvalid:
        text = readable(payload)
        if text == payload:
            raise
    return _decode(text)


def _require_media_types(decoded: _Payload) -> None:
    """Require media types where a registry serves them, or looks for them (``artifactType``)."""
    named = {
        "mediaType": decoded.media_type,
        "artifactType": decoded.artifact_type,
        "config.mediaType": _config_type(decoded),
    }
    for field_name, text in named.items():
        if text and not media_types.is_media_type(text):
            raise ManifestInvalid(
                f"{field_name} is not a media type (RFC 6838, section 4.2)",
                detail={field_name: text[:200]},
            )


def _read_annotations(decoded: _Payload) -> dict[str, str]:
    text = bytes(decoded.annotations)
    return (_annotations.decode(text) if text else None) or {}


def _stored_annotations(decoded: _Payload) -> dict[str, str]:
    """Give annotations; none where they are not what the image-spec says, as in older stores."""
    try:
        return _read_annotations(decoded)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}


def _media_type(decoded: _Payload, content_type: str) -> str:
    if decoded.schema_version == 1 or content_type in media_types.SCHEMA1:
        raise ManifestInvalid("Docker image manifest schema 1 is no longer accepted")
    declared = decoded.media_type or ""
    if content_type in ("", media_types.JSON, media_types.OCTET_STREAM):
        content_type = declared or _type_by_shape(decoded)
    if declared.lower() == content_type.lower():
        # What is the same is served as it was written.
        return declared
    if declared:
        raise ManifestInvalid(
            f"mediaType {declared!r} in the manifest differs from Content-Type {content_type!r}"
        )
    if content_type != _type_by_shape(decoded):
        raise ManifestInvalid(f"a manifest without mediaType cannot be {content_type!r}")
    return content_type


def _type_by_shape(decoded: _Payload) -> str:
    """Name the type of a manifest without ``mediaType``, which only OCI's two may lack."""
    if decoded.schema_version == 2 and decoded.is_index:
        return media_types.OCI_INDEX
    if decoded.schema_version == 2 and decoded.config is not None:
        return media_types.OCI_MANIFEST
    return ""


def _refuse_contradictions(decoded: _Payload, media_type: str) -> None:
    if not media_type:
        raise ManifestInvalid("no media type: neither Content-Type nor the manifest names one")
    if isinstance(decoded.manifests, list) and decoded.is_image:
        # A document that reads as two things deceives whoever checked it as the other one
        # (CVE-2021-41190).
        raise ManifestInvalid("a manifest may not hold both manifests and config or layers")
    if media_type in media_types.INDEXES and decoded.is_image:
        raise ManifestInvalid("an index may not hold config or layers")
    images = (media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST)
    if media_type in images and decoded.config is None:
        raise ManifestInvalid("an image manifest must hold a config")
    if media_type in (*images, *media_types.INDEXES) and decoded.schema_version != 2:
        raise ManifestInvalid("schemaVersion must be 2")


def _config_type(decoded: _Payload) -> str:
    return "" if decoded.config is None else decoded.config.media_type


def _digests(descriptors: list[Descriptor]) -> Iterator[tuple[Digest, Descriptor]]:
    for descriptor in descriptors:
        try:
            digest = Digest.parse(descriptor.digest)
        except DigestInvalid as problem:
            raise ManifestInvalid(problem.message, detail=problem.detail) from problem
        if descriptor.size < 0:
            raise ManifestInvalid("negative size", detail={"digest": descriptor.digest})
        yield digest, descriptor
