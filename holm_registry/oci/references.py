"""
The content that a stored manifest refers to.

More tolerant than :mod:`.manifest`: garbage collection must keep everything that a stored manifest
may need, even if an older registry accepted it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from attrs import frozen
from msgspec import Raw, Struct, field

from . import media_types
from .digest import Digest
from .errors import DigestInvalid, ManifestInvalid
from .json_text import replace_invalid_text, truncate_nesting

_ANY_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}(?![0-9a-f])|sha512:[0-9a-f]{128}(?![0-9a-f])")
_ESCAPED = re.compile(rb"\\u00([2-7][0-9a-fA-F])")

_SUPPORTED = frozenset(
    {
        media_types.OCI_MANIFEST,
        media_types.OCI_INDEX,
        media_types.OCI_ARTIFACT,
        media_types.DOCKER_MANIFEST,
        media_types.DOCKER_LIST,
        *media_types.SCHEMA1,
    }
)


class _Descriptor(Struct):
    digest: str
    media_type: str | None = field(default="", name="mediaType")

    @property
    def may_be_manifest(self) -> bool:
        """Whether its media type is that of a manifest, or missing."""
        return not self.media_type or media_types.is_manifest(self.media_type)


class _Layer(Struct):
    digest: str = field(name="blobSum")


class _StoredDocument(Struct, kw_only=True):
    schema_version: int | None = field(default=0, name="schemaVersion")
    media_type: str | None = field(default="", name="mediaType")
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    blobs: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    fs_layers: list[_Layer] | None = field(default=None, name="fsLayers")


_decoder = msgspec.json.Decoder(_StoredDocument)
_object = msgspec.json.Decoder(dict[str, Raw])


@frozen
class ManifestReferences:
    """
    The content that a manifest needs for a complete pull, and its subject.

    :ivar blobs: The config and the layers.
    :ivar manifests: The children of an index that are, or may be, manifests.
    :ivar blob_children: The children of an index with another media type, such as the layers of a
        build cache, which were pushed as blobs.
    :ivar other_digests: All other digests anywhere in the text.
    :ivar is_schema1: Whether its repository may hold signatures of it.
    :ivar is_supported: Whether its kind is supported; if not, each digest in the text counts as a
        blob and as a manifest.
    """

    blobs: frozenset[Digest]
    manifests: frozenset[Digest]
    subject: Digest | None = None
    is_schema1: bool = False
    is_supported: bool = True
    blob_children: frozenset[Digest] = frozenset()
    other_digests: frozenset[Digest] = frozenset()


def references_in(payload: bytes) -> ManifestReferences:
    """
    Return the references of a stored manifest; for a kind that is not supported, all its digests.

    :raises ManifestInvalid: The bytes are not a JSON object: the references are not known.
    """
    decoded = _decode(payload)
    if decoded is None or not _is_supported(decoded):
        return _all_digests(payload)
    descriptors: list[_Descriptor | _Layer] = [
        *(decoded.layers or []),
        *(decoded.blobs or []),
        *(decoded.fs_layers or []),
    ]
    if decoded.config is not None:
        descriptors.append(decoded.config)
    children = decoded.manifests or []
    subjects = [] if decoded.subject is None else [decoded.subject]
    try:
        return ManifestReferences(
            _digests(descriptors),
            _digests(child for child in children if child.may_be_manifest),
            next(iter(_digests(subjects)), None),
            decoded.schema_version == 1,
            blob_children=_digests(child for child in children if not child.may_be_manifest),
            other_digests=_find_digests(payload, *descriptors, *children, *subjects),
        )
    except DigestInvalid:
        # A reference is not a digest; all digests in the text count nevertheless.
        return _all_digests(payload)


def _all_digests(payload: bytes) -> ManifestReferences:
    digests = _find_digests(payload)
    return ManifestReferences(digests, digests, is_supported=False)


def _decode(payload: bytes) -> _StoredDocument | None:
    """
    Decode a document; None if it is a JSON object with fields of other types.

    :raises ManifestInvalid: It is not a JSON object.
    """
    try:
        return _decode_text(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        text = replace_invalid_text(payload)
        if text == payload:
            raise ManifestInvalid(f"it does not parse: {problem}") from problem
    try:
        return _decode_text(text)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise ManifestInvalid(f"it does not parse: {problem}") from problem


def _decode_text(payload: bytes) -> _StoredDocument | None:
    try:
        return _decoder.decode(payload)
    except RecursionError:
        return _decoder.decode(truncate_nesting(payload))
    except msgspec.ValidationError:
        _object.decode(payload)
        return None


def _find_digests(payload: bytes, *excluded: _Descriptor | _Layer) -> frozenset[Digest]:
    """Return the digests anywhere in a text, without those of the given descriptors."""
    # No character of a digest needs an escape, but each may have one.
    text = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), payload)
    digests = {digest.decode() for digest in _ANY_DIGEST.findall(text)}
    return frozenset(
        map(Digest.parse, digests.difference(descriptor.digest for descriptor in excluded))
    )


def _is_supported(decoded: _StoredDocument) -> bool:
    if decoded.media_type:
        return decoded.media_type in _SUPPORTED
    if decoded.schema_version == 1:
        return decoded.fs_layers is not None
    return decoded.manifests is not None or decoded.config is not None


def _digests(descriptors: Iterable[_Descriptor | _Layer]) -> frozenset[Digest]:
    return frozenset([Digest.parse(descriptor.digest) for descriptor in descriptors])
