"""
What a stored manifest names, whoever took it in and however long ago.

More tolerant than taking one in: a registry must keep whatever something it holds may need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from attrs import frozen
from msgspec import Struct, field

from . import mediatypes
from .digest import Digest
from .errors import DigestInvalid, ManifestInvalid

_ANY_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}(?![0-9a-f])|sha512:[0-9a-f]{128}(?![0-9a-f])")

_UNDERSTOOD = frozenset(
    {
        mediatypes.OCI_MANIFEST,
        mediatypes.OCI_INDEX,
        mediatypes.OCI_ARTIFACT,
        mediatypes.DOCKER_MANIFEST,
        mediatypes.DOCKER_LIST,
        *mediatypes.SCHEMA1,
    }
)


class _Pointer(Struct):
    digest: str


class _Layer(Struct):
    digest: str = field(name="blobSum")


class _Document(Struct, kw_only=True):
    schema_version: int = field(default=0, name="schemaVersion")
    media_type: str = field(default="", name="mediaType")
    config: _Pointer | None = None
    layers: list[_Pointer] | None = None
    blobs: list[_Pointer] | None = None
    manifests: list[_Pointer] | None = None
    subject: _Pointer | None = None
    fs_layers: list[_Layer] | None = field(default=None, name="fsLayers")


_decoder = msgspec.json.Decoder(_Document)


@frozen
class Named:
    """
    What a manifest needs to be pulled whole, and whom it refers to.

    :ivar blobs: Its config and layers.
    :ivar manifests: The children of an index.
    :ivar is_schema1: It may have signatures beside it in its repository.
    :ivar is_understood: Whether it is of a kind known here; if not, any digest in it counts, as a
        blob and as a manifest.
    """

    blobs: frozenset[Digest]
    manifests: frozenset[Digest]
    subject: Digest | None = None
    is_schema1: bool = False
    is_understood: bool = True


def named_in(payload: bytes) -> Named:
    """
    Tell what stored bytes name. Of a kind not known here, every digest in it counts.

    :raises ManifestInvalid: They cannot be understood, so that they might name anything.
    """
    try:
        decoded = _decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
        raise ManifestInvalid(f"it does not parse: {problem}") from problem
    if not _is_understood(decoded):
        anything = frozenset(Digest.parse(each.decode()) for each in _ANY_DIGEST.findall(payload))
        return Named(anything, anything, is_understood=False)
    pointers: list[_Pointer | _Layer] = [
        *(decoded.layers or []),
        *(decoded.blobs or []),
        *(decoded.fs_layers or []),
    ]
    if decoded.config is not None:
        pointers.append(decoded.config)
    subject = None if decoded.subject is None else _digests([decoded.subject])
    return Named(
        _digests(pointers),
        _digests(decoded.manifests or []),
        None if subject is None else next(iter(subject)),
        decoded.schema_version == 1,
    )


def _is_understood(decoded: _Document) -> bool:
    if decoded.media_type:
        return decoded.media_type in _UNDERSTOOD
    if decoded.schema_version == 1:
        return decoded.fs_layers is not None
    return decoded.manifests is not None or decoded.config is not None


def _digests(pointers: Iterable[_Pointer | _Layer]) -> frozenset[Digest]:
    try:
        return frozenset([Digest.parse(pointer.digest) for pointer in pointers])
    except DigestInvalid as problem:
        raise ManifestInvalid(problem.message) from problem
