"""
Parse manifests, indexes and artifacts: their media types, descriptors and annotations.

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
from .json_text import replace_invalid_text, require_utf8_and_depth, truncate_nesting

#: The largest manifest accepted, in bytes (the minimum that the specification asks for).
MAX_MANIFEST_BYTES = 4 * 1024 * 1024

#: Larger manifests (bytes) are decoded one at a time, and need this many bytes for each quotation
#: mark: 4 MiB of ``"":"",`` would become hundreds of MiB of objects. Descriptors have about ten
#: bytes for each.
_LARGE_BYTES = 256 * 1024
_BYTES_PER_QUOTE = 5
_LARGE_LOCK = Lock()

P = ParamSpec("P")
T = TypeVar("T")


class _Document(Struct, kw_only=True):
    """
    The fields that a registry needs, of every kind of manifest.

    A null field counts as missing: Go programs write empty lists as null.
    """

    schema_version: int | None = field(default=0, name="schemaVersion")
    media_type: str | None = field(default="", name="mediaType")
    artifact_type: str | None = field(default="", name="artifactType")
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    blobs: list[Descriptor] | None = None
    manifests: list[Descriptor] | UnsetType | None = UNSET
    subject: Descriptor | None = None
    #: Not decoded: it may hold any type, and be large.
    annotations: Raw = Raw()

    @property
    def is_index(self) -> bool:
        """Whether it has ``manifests``: a list, or null in a document that is not an image."""
        return isinstance(self.manifests, list) or not (self.manifests is UNSET or self.is_image)

    @property
    def is_image(self) -> bool:
        """Whether it has the fields of an image: ``config`` or ``layers``."""
        return self.config is not None or self.layers is not None


_decoder = msgspec.json.Decoder(_Document)
_annotations = msgspec.json.Decoder(dict[str, str] | None)


@frozen
class Manifest:
    """
    A parsed manifest.

    :ivar media_type: The Content-Type to serve it with.
    :ivar artifact_type: Its type in the referrers API; may be empty.
    :ivar blobs: The config and the layers, with their parsed digests.
    :ivar manifests: The children of an index, with their parsed digests.
    """

    media_type: str
    artifact_type: str
    blobs: tuple[tuple[Digest, Descriptor], ...]
    manifests: tuple[tuple[Digest, Descriptor], ...]
    subject: Digest | None
    annotations: dict[str, str]

    def referrer(self, digest: Digest, size_bytes: int) -> ReferrerDescriptor:
        """Return the descriptor of this manifest for the referrers API."""
        return ReferrerDescriptor(
            media_type=self.media_type,
            digest=str(digest),
            size=size_bytes,
            artifact_type=self.artifact_type or msgspec.UNSET,
            annotations=self.annotations or msgspec.UNSET,
        )


def _one_large_at_a_time(
    read: Callable[Concatenate[bytes, P], T],
) -> Callable[Concatenate[bytes, P], T]:
    """Decode large manifests one at a time: the objects take many times the memory of the text."""

    @wraps(read)
    def run(payload: bytes, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with _LARGE_LOCK if len(payload) > _LARGE_BYTES else nullcontext():
            return read(payload, *args, **kwargs)

    return run


@_one_large_at_a_time
def parse_pushed_manifest(payload: bytes, content_type: str = "") -> Manifest:
    """
    Parse a pushed manifest, with stricter rules than for a stored one.

    :param content_type: The Content-Type of the request.
    :raises ManifestInvalid: As :func:`parse_manifest`; or it is not UTF-8, is nested too deep, has
        a media type that is not valid, or has an OCI type and annotations that are not strings.
    """
    require_utf8_and_depth(payload)
    decoded = _decode(payload)
    manifest = _build_manifest(decoded, content_type)
    _require_media_types(decoded)
    if manifest.media_type not in media_types.ANNOTATED:
        # Other types may define ``annotations`` differently.
        return manifest
    try:
        _read_annotations(decoded)
    except msgspec.MsgspecError as problem:
        raise ManifestInvalid(f"annotations must be strings: {problem}") from problem
    return manifest


@_one_large_at_a_time
def parse_manifest(payload: bytes, content_type: str = "") -> Manifest:
    """
    Parse a stored manifest.

    :param content_type: The Content-Type of the request; empty for a stored manifest.
    :raises ManifestInvalid: It is not JSON, has a schema that is not accepted, contradicts itself
        or its Content-Type, or has a digest that is not valid.
    """
    return _build_manifest(_decode_stored(payload), content_type)


def _build_manifest(decoded: _Document, content_type: str) -> Manifest:
    media_type = _media_type(decoded, media_types.without_parameters(content_type))
    _require_consistent(decoded, media_type)
    blobs = [*(decoded.layers or []), *(decoded.blobs or [])]
    if decoded.config is not None:
        blobs.insert(0, decoded.config)
    subject = None if decoded.subject is None else next(_with_digests([decoded.subject]))[0]
    return Manifest(
        media_type=media_type,
        artifact_type=decoded.artifact_type or _config_type(decoded),
        blobs=tuple(_with_digests(blobs)),
        manifests=tuple(_with_digests(decoded.manifests or [])),
        subject=subject,
        annotations=_stored_annotations(decoded),
    )


@_one_large_at_a_time
def stored_media_type(payload: bytes) -> str:
    """
    Return the Content-Type to serve stored bytes with.

    The storage layout of registry:2 has no Content-Type: it is derived from the bytes. Never
    fails, because everything that an older registry accepted must be served.
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


def _decode(payload: bytes) -> _Document:
    if len(payload) > _LARGE_BYTES and payload.count(b'"') * _BYTES_PER_QUOTE > len(payload):
        raise ManifestInvalid("a large manifest may not consist of short strings")
    try:
        try:
            return _decoder.decode(payload)
        except RecursionError:
            return _decoder.decode(truncate_nesting(payload))
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        # The decoder's own message about unpaired surrogates is misleading.
        has_invalid_text = replace_invalid_text(payload) != payload
        reason = "a string holds half of a surrogate pair" if has_invalid_text else problem
        raise ManifestInvalid(f"manifest does not parse: {reason}") from problem


def _decode_stored(payload: bytes) -> _Document:
    """Decode a manifest that an older registry stored, even with text that is not valid."""
    try:
        return _decode(payload)
    except ManifestInvalid:
        text = replace_invalid_text(payload)
        if text == payload:
            raise
    return _decode(text)


def _require_media_types(decoded: _Document) -> None:
    """Require that media types which the registry serves or compares are valid."""
    fields = {
        "mediaType": decoded.media_type,
        "artifactType": decoded.artifact_type,
        "config.mediaType": _config_type(decoded),
    }
    for field_name, text in fields.items():
        if text and not media_types.is_media_type(text):
            raise ManifestInvalid(
                f"{field_name} is not a media type (RFC 6838, section 4.2)",
                detail={field_name: text[:200]},
            )


def _read_annotations(decoded: _Document) -> dict[str, str]:
    text = bytes(decoded.annotations)
    return (_annotations.decode(text) if text else None) or {}


def _stored_annotations(decoded: _Document) -> dict[str, str]:
    """Return the annotations; none if they break the image-spec, as an older registry allowed."""
    try:
        return _read_annotations(decoded)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}


def _media_type(decoded: _Document, content_type: str) -> str:
    if decoded.schema_version == 1 or content_type in media_types.SCHEMA1:
        raise ManifestInvalid("Docker image manifest schema 1 is no longer accepted")
    declared = decoded.media_type or ""
    if content_type in ("", media_types.JSON, media_types.OCTET_STREAM):
        content_type = declared or _type_by_shape(decoded)
    if declared.lower() == content_type.lower():
        # Serve the spelling of the manifest.
        return declared
    if declared:
        raise ManifestInvalid(
            f"mediaType {declared!r} in the manifest differs from Content-Type {content_type!r}"
        )
    if content_type != _type_by_shape(decoded):
        raise ManifestInvalid(f"a manifest without mediaType cannot be {content_type!r}")
    return content_type


def _type_by_shape(decoded: _Document) -> str:
    """Return the type of a manifest without ``mediaType``, which only OCI types may omit."""
    if decoded.schema_version == 2 and decoded.is_index:
        return media_types.OCI_INDEX
    if decoded.schema_version == 2 and decoded.config is not None:
        return media_types.OCI_MANIFEST
    return ""


def _require_consistent(decoded: _Document, media_type: str) -> None:
    if not media_type:
        raise ManifestInvalid("no media type: neither Content-Type nor the manifest names one")
    if isinstance(decoded.manifests, list) and decoded.is_image:
        # Clients must not be able to read one document as two different types (CVE-2021-41190).
        raise ManifestInvalid("a manifest may not hold both manifests and config or layers")
    if media_type in media_types.INDEXES and decoded.is_image:
        raise ManifestInvalid("an index may not hold config or layers")
    images = (media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST)
    if media_type in images and decoded.config is None:
        raise ManifestInvalid("an image manifest must hold a config")
    if media_type in (*images, *media_types.INDEXES) and decoded.schema_version != 2:
        raise ManifestInvalid("schemaVersion must be 2")


def _config_type(decoded: _Document) -> str:
    return "" if decoded.config is None else decoded.config.media_type


def _with_digests(descriptors: list[Descriptor]) -> Iterator[tuple[Digest, Descriptor]]:
    for descriptor in descriptors:
        try:
            digest = Digest.parse(descriptor.digest)
        except DigestInvalid as problem:
            raise ManifestInvalid(problem.message, detail=problem.detail) from problem
        if descriptor.size < 0:
            raise ManifestInvalid("negative size", detail={"digest": descriptor.digest})
        yield digest, descriptor
