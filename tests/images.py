"""Manifests, made of the bytes they name."""

from __future__ import annotations

import json
from typing import Any

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def descriptor(
    content: bytes, media_type: str, algorithm: str = "sha256", **fields: Any
) -> dict[str, Any]:
    """Describe content."""
    digest = str(Digest.of(content, algorithm))
    return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}


def image(
    config: bytes,
    layers: list[bytes],
    *,
    media_type: str = media_types.OCI_MANIFEST,
    algorithm: str = "sha256",
    **fields: Any,
) -> bytes:
    """Make an image manifest."""
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config, CONFIG, algorithm),
        "layers": [descriptor(layer, LAYER, algorithm) for layer in layers],
        **fields,
    }
    return json.dumps(document).encode()


def index(
    children: list[bytes], *, media_type: str = media_types.OCI_INDEX, **fields: Any
) -> bytes:
    """Make an index; each child is for the platform of its place in the list."""
    platforms = [("amd64", "linux"), ("arm64", "linux"), ("riscv64", "linux")]
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [
            descriptor(
                child,
                json.loads(child)["mediaType"],
                platform={"architecture": architecture, "os": os},
            )
            for child, (architecture, os) in zip(children, platforms, strict=False)
        ],
        **fields,
    }
    return json.dumps(document).encode()
