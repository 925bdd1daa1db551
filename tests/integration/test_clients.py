"""Real clients push, forget, pull, and find what they pushed."""

from __future__ import annotations

import json
import os
import tempfile

import pytest

from .servers import require, run


def config_of(layout, digest_of_manifest: str) -> str:
    encoded = digest_of_manifest.removeprefix("sha256:")
    return json.loads((layout.root / "blobs/sha256" / encoded).read_text())["config"]["digest"]


def pulled(registry, name, reference):
    answer = registry.request("GET", f"/v2/{name}/manifests/{reference}")
    assert answer.status == 200, answer.body
    return answer


def test_skopeo_copies_every_platform_byte_for_byte(registry, layout, skopeo, tmp_path):
    source = f"oci:{layout.root}:multi"
    there = f"docker://{registry.address}/team/app:v1"
    # Or it would put in what other clients of this machine made of the same layers.
    skopeo("copy", "--all", "--preserve-digests", source, there)
    skopeo("copy", "--all", "--preserve-digests", there, f"oci:{tmp_path}/back:multi")
    blobs = {path.name for path in (layout.root / "blobs/sha256").iterdir()}
    back = {path.name for path in (tmp_path / "back/blobs/sha256").iterdir()}
    assert back == blobs
    digest = json.loads(skopeo("inspect", "--raw", there))["manifests"][0]["digest"]
    assert pulled(registry, "team/app", digest).headers["Docker-Content-Digest"] == digest


def test_skopeo_copies_between_repositories_without_sending_layers_again(registry, layout, skopeo):
    first, second = (f"docker://{registry.address}/{name}:v1" for name in ("from/app", "to/app"))
    skopeo("copy", f"oci:{layout.root}:single", first)
    skopeo("copy", first, second)
    digests = [
        pulled(registry, name, "v1").headers["Docker-Content-Digest"]
        for name in ("from/app", "to/app")
    ]
    assert digests[0] == digests[1]


def test_skopeo_converts_to_docker_manifests(registry, layout, skopeo):
    there = f"docker://{registry.address}/docker/app:v1"
    skopeo("copy", "--all", "--format", "v2s2", f"oci:{layout.root}:multi", there)
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    assert pulled(registry, "docker/app", "v1").headers["Content-Type"] == kind
    tags = json.loads(skopeo("list-tags", f"docker://{registry.address}/docker/app"))
    assert tags["Tags"] == ["v1"]


def test_skopeo_deletes_and_syncs(registry, layout, skopeo, tmp_path):
    there = f"{registry.address}/sync/app"
    for tag in ("v1", "v2"):
        skopeo("copy", f"oci:{layout.root}:single", f"docker://{there}:{tag}")
    skopeo("sync", "--src", "docker", "--dest", "dir", there, tmp_path)
    assert {path.name for path in tmp_path.rglob("app:*")} == {"app:v1", "app:v2"}
    skopeo("sync", "--src", "dir", "--dest", "docker", tmp_path, f"{registry.address}/synced")
    assert pulled(registry, "synced/app", "v2")
    skopeo("delete", f"docker://{there}:v1")
    assert registry.request("GET", "/v2/sync/app/manifests/v2").status == 404, "same digest"


def test_docker_pushes_and_pulls_an_image_of_several_layers(
    registry, layout, skopeo, docker, tmp_path
):
    name = f"{registry.address}/docker/multi-layer:v1"
    archive = tmp_path / "image.tar"
    skopeo("copy", f"oci:{layout.root}:single", f"docker-archive:{archive}:{name}")
    docker("load", "--input", archive)
    before = json.loads(docker("image", "inspect", name))[0]
    assert len(before["RootFS"]["Layers"]) == 4
    pushed = docker("push", name)
    digest = pushed.split("digest: ")[1].split()[0]
    docker("image", "rm", name)
    assert "Pull complete" in docker("pull", name)
    after = json.loads(docker("image", "inspect", name))[0]
    assert after["Id"] == before["Id"]
    assert after["RepoDigests"] == [f"{registry.address}/docker/multi-layer@{digest}"]
    assert "Layer already exists" in docker("push", name)
    other = f"{registry.address}/elsewhere/app:v1"
    docker("tag", name, other)
    assert "Mounted from docker/multi-layer" in docker("push", other)
    docker("image", "rm", name, other)
    docker("pull", f"{registry.address}/docker/multi-layer@{digest}")


def test_docker_pushes_what_it_imported(registry, docker, tmp_path):
    from .layouts import tar_of

    archive = tmp_path / "root.tar"
    archive.write_bytes(tar_of({"etc/os-release": b"ID=test\n"}))
    name = f"{registry.address}/imported:latest"
    identity = docker("import", archive, name).strip()
    docker("push", name)
    docker("image", "rm", name)
    docker("pull", name)
    assert json.loads(docker("image", "inspect", name))[0]["Id"] == identity
    docker("image", "rm", name)


@pytest.fixture
def podman():
    program = require("podman")
    # Its run root must be a short path.
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as home:
        stores = ["--storage-driver=vfs", f"--root={home}/store", f"--runroot={home}/run"]
        yield lambda *words: run(program, *stores, *words)


def test_podman_pushes_and_pulls(registry, layout, podman):
    name = f"{registry.address}/podman/app:v1"
    identity = podman("pull", "--quiet", f"oci:{layout.root}:single").strip()
    podman("push", "--tls-verify=false", identity, f"docker://{name}")
    podman("rmi", "--force", identity)
    assert podman("pull", "--quiet", "--tls-verify=false", name).strip() == identity
    podman("manifest", "create", "listed")
    podman("manifest", "add", "--tls-verify=false", "listed", f"docker://{name}")
    listed = f"docker://{registry.address}/podman/listed:v1"
    podman("manifest", "push", "--all", "--tls-verify=false", "listed", listed)
    assert len(pulled(registry, "podman/listed", "v1").json["manifests"]) == 1


def test_buildah_builds_from_scratch_pushes_and_pulls(registry, tmp_path):
    program = require("buildah")
    stores = ["--storage-driver=vfs", f"--root={tmp_path}/store", f"--runroot={tmp_path}/run"]

    def buildah(*words):
        return run(program, *stores, *words, env={**os.environ, "BUILDAH_ISOLATION": "chroot"})

    (tmp_path / "hello").write_text("hello\n")
    container = buildah("from", "scratch").strip()
    buildah("copy", container, tmp_path / "hello", "/hello")
    buildah("config", "--label", "made=here", container)
    identity = buildah("commit", "--quiet", container, "built").strip()
    name = f"{registry.address}/buildah/app:v1"
    buildah("push", "--tls-verify=false", "built", f"docker://{name}")
    buildah("rm", container)
    buildah("rmi", "--force", "built")
    assert buildah("pull", "--quiet", "--tls-verify=false", name).strip() == identity


def test_containerd_pulls_every_platform_and_pushes(registry, layout, skopeo, ctr):
    name = f"{registry.address}/containerd/app:v1"
    skopeo("copy", "--all", "--preserve-digests", f"oci:{layout.root}:multi", f"docker://{name}")
    pull = ("images", "pull", "--plain-http", "--all-platforms", "--snapshotter", "native")
    for _ in range(2):
        assert "done" in ctr(*pull, name)
    listed = ctr("images", "ls")
    assert pulled(registry, "containerd/app", "v1").headers["Docker-Content-Digest"] in listed
    other = f"{registry.address}/containerd/copy:v2"
    ctr("images", "tag", name, other)
    ctr("images", "push", "--plain-http", other)
    digests = {
        pulled(registry, f"containerd/{path}", tag).headers["Docker-Content-Digest"]
        for path, tag in (("app", "v1"), ("copy", "v2"))
    }
    assert len(digests) == 1
