"""
Manifests and configs as they are written: typed, and strict only in types.

:see: OCI image-spec, manifest.md, image-index.md, config.md; Docker image manifest v2, schema 2.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from holm_registry.oci import media_types
from holm_registry.oci.json_text import is_nested_deeper, replace_invalid_text

from .nulls import without_nulls


class DocumentInvalid(Exception):
    """Content that does not hold what it should; the text says where and why."""


class Platform(Struct, kw_only=True):
    """
    What a manifest of an index is for.

    The same noun as :class:`holm_registry.oci.descriptor.Platform`, with what the UI shows of it.
    """

    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = field(default="", name="os.version")


class Descriptor(Struct, kw_only=True):
    """
    A pointer to content.

    The same noun as :class:`holm_registry.oci.descriptor.Descriptor`, with what the UI shows of it.
    """

    digest: str
    size: int = 0
    media_type: str = field(default="", name="mediaType")
    artifact_type: str = field(default="", name="artifactType")
    platform: Platform | None = None
    annotations: dict[str, str] | None = None
    urls: list[str] | None = None

    def __post_init__(self) -> None:
        # What no file can have is not counted.
        if not 0 <= self.size < _MAX_SIZE:
            self.size = 0


class Manifest(Struct, kw_only=True):
    """
    A manifest of any kind. An entry of an index that is no manifest, as in build caches, is a blob.

    The same noun as :class:`holm_registry.oci.manifest.Manifest`, with what the UI shows of it.
    """

    schema_version: int = field(default=0, name="schemaVersion")
    media_type: str = field(default="", name="mediaType")
    artifact_type: str = field(default="", name="artifactType")
    config: Descriptor | None = None
    layers: list[Descriptor] | None = None
    blobs: list[Descriptor] | None = None
    manifests: list[Descriptor] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        listed = self.manifests or []
        blobs = [part for part in listed if not _may_be_manifest(part)]
        if blobs:
            self.blobs = [*(self.blobs or []), *blobs]
            self.manifests = [part for part in listed if _may_be_manifest(part)] or None


class ReferrerList(Struct):
    """An answer to the question who refers to a manifest: an index of manifests of any type."""

    manifests: list[Descriptor] | None = None


class RunConfig(Struct, kw_only=True):
    """What a container of an image starts with."""

    entrypoint: list[str] | str | None = field(default=None, name="Entrypoint")
    cmd: list[str] | str | None = field(default=None, name="Cmd")
    env: list[str] | None = field(default=None, name="Env")
    labels: dict[str, str] | None = field(default=None, name="Labels")
    user: str | None = field(default=None, name="User")
    working_dir: str | None = field(default=None, name="WorkingDir")
    exposed_ports: dict[str, Raw] | None = field(default=None, name="ExposedPorts")
    volumes: dict[str, Raw] | None = field(default=None, name="Volumes")
    stop_signal: str | None = field(default=None, name="StopSignal")
    healthcheck: dict[str, Any] | None = field(default=None, name="Healthcheck")


class HistoryEntry(Struct, kw_only=True):
    """One step of an image's history."""

    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    author: str | None = None
    empty_layer: bool | None = None


class ImageConfig(Struct, kw_only=True):
    """The config of an image."""

    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = field(default=None, name="os.version")
    created: str | None = None
    author: str | None = None
    config: RunConfig | None = None
    history: list[HistoryEntry] | None = None


class Chart(Struct, kw_only=True):
    """The config of a Helm chart: its Chart.yaml as JSON."""

    name: str = ""
    version: str = ""
    app_version: str | None = field(default=None, name="appVersion")
    description: str | None = None
    type: str | None = None
    home: str | None = None
    icon: str | None = None
    deprecated: bool | None = None
    created: str | None = None
    kube_version: str | None = field(default=None, name="kubeVersion")
    keywords: list[str] | None = None
    sources: list[str] | None = None
    dependencies: list[dict[str, Any]] | None = None
    maintainers: list[dict[str, Any]] | None = None


T = TypeVar("T")

#: The most values that a document may hold. Small ones take twenty times as much of memory as of
#: the document.
MAX_VALUES = 100_000

#: The largest document, in bytes, and the deepest, in levels, that is indented: each level puts two
#: spaces before each value in it.
MAX_PRETTY_BYTES = 512 * 1024
MAX_PRETTY_LEVELS = 32

#: The largest size that content can be said to have, in bytes.
_MAX_SIZE = 2**63


def _may_be_manifest(part: Descriptor) -> bool:
    return not part.media_type or media_types.is_manifest(part.media_type)


def read(content: bytes, kind: type[T]) -> T:
    """
    Read a document. A null stands for nothing, as it does for Go.

    :raises DocumentInvalid: It is no JSON, a field has another type than it should, or it holds
        more values than are read.
    """
    if _count_values(content) > MAX_VALUES:
        raise DocumentInvalid(f"it holds more than {MAX_VALUES:,} values")
    try:
        return _decode(content, kind)
    except DocumentInvalid:
        text = replace_invalid_text(content)
        if text == content and b"null" not in text:
            raise
    return _decode(text, kind, nulls=b"null" in text)


def _decode(content: bytes, kind: type[T], *, nulls: bool = False) -> T:
    try:
        if nulls:
            content = without_nulls(content, kind)
        return msgspec.json.decode(content, type=kind)
    except RecursionError as problem:
        raise DocumentInvalid("it is nested too deep") from problem
    except UnicodeDecodeError as problem:
        raise DocumentInvalid("it is not UTF-8") from problem
    except msgspec.MsgspecError as problem:
        raise DocumentInvalid(str(problem)[:300]) from problem


def _count_values(content: bytes) -> int:
    """Count the values of a JSON document, or more where its texts hold marks of JSON."""
    return sum(map(content.count, (b",", b"[", b"{")))


def pretty(content: bytes) -> str:
    """Indent JSON for reading; give what is none, or would become very large, as it is."""
    try:
        if len(content) > MAX_PRETTY_BYTES or is_nested_deeper(content, MAX_PRETTY_LEVELS):
            return content.decode("utf-8", "replace")
        return msgspec.json.format(content, indent=2).decode("utf-8", "replace")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")
