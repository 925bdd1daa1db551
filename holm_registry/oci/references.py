"""
What a stored manifest names, whoever took it in and however long ago.

More tolerant than taking one in: a registry must keep whatever something it holds may need.
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
from .json_text import readable, without_depths

_ANY_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}(?![0-9a-f])|sha512:[0-9a-f]{128}(?![0-9a-f])")
_ESCAPED = re.compile(rb"\\u00([2-7][0-9a-fA-F])")

_UNDERSTOOD = frozenset(
    {
        media_types.OCI_MANIFEST,
        media_types.OCI_INDEX,
        media_types.OCI_ARTIFACT,
        media_types.DOCKER_MANIFEST,
        media_types.DOCKER_LIST,
        *media_types.SCHEMA1,
    }
)


class _Pointer(Struct):
    digest: str
    media_type: str | None = field(default="", name="mediaType")

    @property
    def may_be_manifest(self) -> bool:
        """Whether its media type is that of a manifest, or missing."""
        return not self.media_type or media_types.is_manifest(self.media_type)


class _Layer(Struct):
    digest: str = field(name="blobSum")


class _Document(Struct, kw_only=True):
    schema_version: int | None = field(default=0, name="schemaVersion")
    media_type: str | None = field(default="", name="mediaType")
    config: _Pointer | None = None
    layers: list[_Pointer] | None = None
    blobs: list[_Pointer] | None = None
    manifests: list[_Pointer] | None = None
    subject: _Pointer | None = None
    fs_layers: list[_Layer] | None = field(default=None, name="fsLayers")


_decoder = msgspec.json.Decoder(_Document)
_object = msgspec.json.Decoder(dict[str, Raw])


@frozen
class ManifestReferences:
    """
    What a manifest needs to be pulled whole, and whom it refers to.

    :ivar blobs: Its config and layers.
    :ivar manifests: The children of an index, as far as they are, or may be, manifests.
    :ivar others: The children of an index whose media type says that they are no manifests, such
        as the layers of a build cache: blobs that were pushed as blobs.
    :ivar mentioned: Every other digest that stands anywhere in it.
    :ivar is_schema1: It may have signatures beside it in its repository.
    :ivar is_understood: Whether it is of a kind known here; if not, any digest in it counts, as a
        blob and as a manifest.
    """

    blobs: frozenset[Digest]
    manifests: frozenset[Digest]
    subject: Digest | None = None
    is_schema1: bool = False
    is_understood: bool = True
    others: frozenset[Digest] = frozenset()
    mentioned: frozenset[Digest] = frozenset()


def references_in(payload: bytes) -> ManifestReferences:
    """
    Tell what stored bytes name. Of a kind not known here, every digest in it counts.

    :raises ManifestInvalid: They are no JSON object, so that they might have named anything.
    """
    decoded = _decode(payload)
    if decoded is None or not _is_understood(decoded):
        return _by_mentions(payload)
    pointers: list[_Pointer | _Layer] = [
        *(decoded.layers or []),
        *(decoded.blobs or []),
        *(decoded.fs_layers or []),
    ]
    if decoded.config is not None:
        pointers.append(decoded.config)
    children = decoded.manifests or []
    about = [] if decoded.subject is None else [decoded.subject]
    try:
        return ManifestReferences(
            _digests(pointers),
            _digests(child for child in children if child.may_be_manifest),
            next(iter(_digests(about)), None),
            decoded.schema_version == 1,
            others=_digests(child for child in children if not child.may_be_manifest),
            mentioned=_mentioned_in(payload, *pointers, *children, *about),
        )
    except DigestInvalid:
        # Something is named by what is no digest; the digests that there are count all the same.
        return _by_mentions(payload)


def _by_mentions(payload: bytes) -> ManifestReferences:
    mentioned = _mentioned_in(payload)
    return ManifestReferences(mentioned, mentioned, is_understood=False)


def _decode(payload: bytes) -> _Document | None:
    """
    Decode a document; None if it is JSON, but of no shape that is known.

    :raises ManifestInvalid: It is no JSON object.
    """
    try:
        return _decode_text(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        text = readable(payload)
        if text == payload:
            raise ManifestInvalid(f"it does not parse: {problem}") from problem
    try:
        return _decode_text(text)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise ManifestInvalid(f"it does not parse: {problem}") from problem


def _decode_text(payload: bytes) -> _Document | None:
    try:
        return _decoder.decode(payload)
    except RecursionError:
        return _decoder.decode(without_depths(payload))
    except msgspec.ValidationError:
        _object.decode(payload)
        return None


def _mentioned_in(payload: bytes, *told: _Pointer | _Layer) -> frozenset[Digest]:
    """Find the digests in a text, but for those that are told of."""
    # A digest has no letter that must be escaped, but any may be.
    text = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), payload)
    found = {digest.decode() for digest in _ANY_DIGEST.findall(text)}
    return frozenset(map(Digest.parse, found.difference(pointer.digest for pointer in told)))


def _is_understood(decoded: _Document) -> bool:
    if decoded.media_type:
        return decoded.media_type in _UNDERSTOOD
    if decoded.schema_version == 1:
        return decoded.fs_layers is not None
    return decoded.manifests is not None or decoded.config is not None


def _digests(pointers: Iterable[_Pointer | _Layer]) -> frozenset[Digest]:
    return frozenset([Digest.parse(pointer.digest) for pointer in pointers])
