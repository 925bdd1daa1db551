"""BuildKit builds, keeps its cache in a registry in both forms, and builds again from the cache."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from holm_registry.oci.digest import Digest

from .servers import BIN, ENVIRONMENT, Process, holm, registry2, require, run

PROGRAMS = Path(__file__).parents[2] / ".venv/buildkit"

DOCKERFILE = """\
FROM scratch AS files
COPY content /content
FROM scratch
COPY --from=files /content /result
"""

#: What the image and its cache consist of: two manifests, a config, the cache's, and two layers.
NAMED = ("image", "cache", "config", "cache config", "first layer", "second layer")

#: An index of layers, and an image with the cache's config.
FORMS = ["image-manifest=false", "image-manifest=true"]


class BuildKit:
    """Builds one small image, at a daemon that keeps nothing between builds."""

    def __init__(self, folder: Path, address: str) -> None:
        self._command = [str(PROGRAMS / "buildctl"), "--addr", address]
        self._context = folder / "context"
        self._context.mkdir()
        (self._context / "content").write_bytes(os.urandom(100_000))
        (self._context / "Dockerfile").write_text(DOCKERFILE)

    def build(self, image: str, *options: str) -> str:
        """Build, push and forget; give what was printed."""
        printed = run(
            *self._command,
            "build",
            "--progress=plain",
            "--frontend=dockerfile.v0",
            f"--local=context={self._context}",
            f"--local=dockerfile={self._context}",
            f"--output=type=image,name={image},push=true,registry.insecure=true",
            *options,
        )
        run(*self._command, "prune", "--all")
        return printed


@pytest.fixture
def buildkit(tmp_path):
    for program in ("buildctl", "buildkitd"):
        if not (PROGRAMS / program).exists():
            if os.environ.get("HOLM_REQUIRE_CLIENTS"):
                pytest.fail(f"{program} is missing: run tests/install-buildkit.sh")
            pytest.skip(f"{program} is not installed: tests/install-buildkit.sh")
    # Addresses of sockets are short.
    with tempfile.TemporaryDirectory(prefix="bk-", ignore_cleanup_errors=True) as home:
        address = f"unix://{home}/socket"
        options = [
            f"--root={home}/root",
            f"--addr={address}",
            "--oci-worker-snapshotter=native",
            "--oci-worker-net=host",
            f"--oci-worker-binary={require('runc')}",
            "--containerd-worker=false",
        ]
        daemon = [str(PROGRAMS / "buildkitd"), *options]
        with Process(daemon, r"running server on (\S+)", env=ENVIRONMENT):
            yield BuildKit(tmp_path, address)


def push_unused(registry: Process) -> None:
    """Push a blob that no manifest names."""
    started = registry.request("POST", "/v2/app/blobs/uploads/", b"")
    path = urlsplit(started.headers["Location"])
    query = f"{path.query}&digest={Digest.of(b'unused')}".lstrip("&")
    ended = registry.request("PUT", f"{path.path}?{query}", b"unused")
    assert ended.status == 201


def maintain(root: Path) -> None:
    """Collect all that can be collected, and verify that nothing is damaged or missing."""
    config = root.with_suffix(".maintain.yml")
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n")
    for folder, _, files in os.walk(root):
        for name in files:
            os.utime(os.path.join(folder, name), (0, 0))
    assert len(list(root.rglob("data"))) == len(NAMED) + 1
    run(BIN / "registry", "garbage-collect", "--grace", "1m", "--delete-untagged", config)
    assert len(list(root.rglob("data"))) == len(NAMED)
    before = sorted(root.rglob("link"))
    run(BIN / "registry", "verify", "--repair", config)
    assert sorted(root.rglob("link")) == before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", [holm, registry2])
def test_a_cache_is_kept_and_used(tmp_path, buildkit, form, before):
    """Also one that registry:2 took, on the volume that it left."""
    root = tmp_path / "root"
    with before(root) as registry:
        cache = f"{registry.address}/app:cache"
        export = f"--export-cache=type=registry,ref={cache},mode=max,{form},registry.insecure=true"
        push_unused(registry)
        assert "CACHED" not in buildkit.build(f"{registry.address}/app:v1", export)
    maintain(root)
    with holm(root) as registry:
        cache = f"{registry.address}/app:cache"
        use = f"--import-cache=type=registry,ref={cache},registry.insecure=true"
        printed = buildkit.build(f"{registry.address}/app:v2", use)
        assert printed.count("CACHED") == 2, printed
        layers = [
            registry.request("GET", f"/v2/app/manifests/{tag}", Accept="*/*").json["layers"]
            for tag in ("v1", "v2")
        ]
        assert layers[0] == layers[1]
        assert registry.request("GET", f"/v2/app/blobs/{layers[0][0]['digest']}").status == 200
