"""
What a manifest is, in a word, from its media and artifact types.
"""

from __future__ import annotations

from holm_registry.oci import media_types

from .documents import Manifest

IMAGE = "image"
INDEX = "index"
CHART = "Helm chart"
ARTIFACT = "artifact"
SIGNATURE = "signature"
ATTESTATION = "attestation"
PROVENANCE = "provenance"
SBOM = "SBOM"
CACHE = "build cache"
OBSOLETE = "schema 1 image"
UNKNOWN = "not understood"

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
IMAGE_CONFIGS = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)

#: Parts of media and artifact types, and what they tell; the first that is found counts.
_TELLING = (
    ("simplesigning", SIGNATURE),
    ("notary.signature", SIGNATURE),
    ("sigstore.bundle", SIGNATURE),
    ("cosign.artifact.sig", SIGNATURE),
    ("spdx", SBOM),
    ("cyclonedx", SBOM),
    ("syft", SBOM),
    ("cosign.artifact.sbom", SBOM),
    ("slsa", PROVENANCE),
    ("in-toto", ATTESTATION),
    ("cosign.artifact.att", ATTESTATION),
    ("dsse", ATTESTATION),
    ("buildkit.cacheconfig", CACHE),
)
_PREDICATE = "in-toto.io/predicate-type"


def classify(manifest: Manifest) -> str:
    """Name what a manifest is."""
    if manifest.schema_version == 1:
        return OBSOLETE
    layers = manifest.layers or manifest.blobs or []
    is_empty = manifest.config is None and not layers
    if manifest.manifests is not None or (is_empty and manifest.media_type in media_types.INDEXES):
        return INDEX
    told = artifact_detail(manifest.artifact_type, *(layer.media_type for layer in layers))
    predicates = " ".join((layer.annotations or {}).get(_PREDICATE, "") for layer in layers)
    if told:
        return artifact_detail(predicates) or told
    config_type = manifest.config.media_type if manifest.config else ""
    if config_type == HELM_CONFIG:
        return CHART
    if config_type in IMAGE_CONFIGS and not manifest.artifact_type:
        return IMAGE
    return artifact_detail(config_type) or ARTIFACT


def artifact_detail(*types: str) -> str:
    """Find what a type tells about an artifact; empty if nothing."""
    text = " ".join(types).lower()
    return next((kind for part, kind in _TELLING if part in text), "")


def is_schema1(media_type: str) -> bool:
    """Return whether content is of Docker's first, obsolete kind."""
    return media_type in media_types.SCHEMA1
