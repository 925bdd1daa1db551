"""Images of realistic size, made of files of this machine, as an OCI layout on disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import tarfile
from pathlib import Path
from typing import Any

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Layout:
    """An OCI layout that grows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, content: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
        """Add content; give its descriptor."""
        encoded = hashlib.sha256(content).hexdigest()
        (self.root / "blobs/sha256" / encoded).write_bytes(content)
        digest = f"sha256:{encoded}"
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}

    def image(self, layers: list[bytes], architecture: str) -> dict[str, Any]:
        """Add an image of uncompressed layers; give its descriptor."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in layers],
            },
            "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
        }
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(config).encode(), CONFIG),
            "layers": [self.blob(gzip.compress(tar, 1, mtime=0), LAYER) for tar in layers],
        }
        platform = {"architecture": architecture, "os": "linux"}
        return self.blob(json.dumps(document).encode(), MANIFEST, platform=platform)

    def name(self, described: dict[str, Any], name: str) -> None:
        """Put an image or an index under a name."""
        path = self.root / "index.json"
        index = (
            json.loads(path.read_text())
            if path.exists()
            else {
                "schemaVersion": 2,
                "manifests": [],
            }
        )
        annotations = {"org.opencontainers.image.ref.name": name}
        index["manifests"].append({**described, "annotations": annotations})
        path.write_text(json.dumps(index))


def tar_of(files: dict[str, bytes]) -> bytes:
    """Make an uncompressed layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def machine_layer(folder: str, limit_bytes: int) -> bytes:
    """Make a layer of files that are on this machine."""
    files: dict[str, bytes] = {}
    left = limit_bytes
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size < left:
            files[str(path).lstrip("/")] = path.read_bytes()
            left -= path.stat().st_size
    return tar_of(files)


def make_layout(root: Path) -> Layout:
    """
    Make a layout with ``multi``, an index of two platforms with shared layers, and ``single``.
    """
    layout = Layout(root)
    noise = random.Random(7).randbytes(12 * 1024 * 1024)
    shared = [
        machine_layer(os.path.dirname(json.__file__), 1024 * 1024),
        tar_of({"noise": noise}),
        tar_of({"etc/motd": b"hello\n"}),
    ]
    amd, arm = (
        layout.image([*shared, tar_of({"bin/app": name.encode() * 9000})], name)
        for name in ("amd64", "arm64")
    )
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [amd, arm]}
    layout.name(layout.blob(json.dumps(index).encode(), INDEX), "multi")
    layout.name(amd, "single")
    return layout
