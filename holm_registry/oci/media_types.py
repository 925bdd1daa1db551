"""The media types that a registry treats specially."""

from __future__ import annotations

import re

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCTET_STREAM = "application/octet-stream"
JSON = "application/json"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
ANNOTATED = frozenset({OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT})
SCHEMA1 = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})

_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}")

_FOREIGN_LAYERS = (
    "application/vnd.oci.image.layer.nondistributable.v1.",
    "application/vnd.docker.image.rootfs.foreign.",
)


def is_media_type(text: str) -> bool:
    """
    Return whether a text is a media type without parameters.

    :see: RFC 6838, section 4.2, to which the image-spec refers.
    """
    return _MEDIA_TYPE.fullmatch(text) is not None


def is_foreign_layer(media_type: str) -> bool:
    """Return whether clients fetch such a layer from another server: it may be missing here."""
    return media_type.startswith(_FOREIGN_LAYERS)


def is_manifest(media_type: str) -> bool:
    """Return whether a media type looks like that of a manifest or an index, supported or not."""
    return "manifest" in media_type or "index" in media_type


def without_parameters(content_type: str) -> str:
    """Strip parameters such as ``charset`` from a Content-Type."""
    return content_type.partition(";")[0].strip().lower()
