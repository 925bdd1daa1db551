"""Disks that really are full."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from contextlib import suppress

import pytest

from ..images import image
from .servers import CONFIG, holm, require, run
from .test_garbage_collect import age, config_for
from .test_garbage_collect import registry as command

MIB = 1024 * 1024

#: Takes all that the disk has, as nobody should.
UNRESERVED = f"{CONFIG}storage: {{filesystem: {{}}, limits: {{free: 0}}}}\n"


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of eight mebibytes."""
    yield from mounted(tmp_path, "size=8m")


@pytest.fixture
def few_files(tmp_path):
    """A folder on a file system of 200 files and folders."""
    yield from mounted(tmp_path, "size=8m,nr_inodes=200")


def mounted(tmp_path, options):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = [require("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        if os.environ.get("HOLM_REQUIRE_CLIENTS"):
            pytest.fail("cannot mount a small disk")
        pytest.skip("cannot mount a small disk: needs root")
    yield folder
    run("umount", folder)


def push(registry, content: bytes, name: str = "a"):
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    location = registry.request("POST", f"/v2/{name}/blobs/uploads/")
    if location.status != 202:
        return location
    path = location.headers["Location"]
    answer = registry.request("PATCH", path, content)
    if answer.status != 202:
        return answer
    return registry.request("PUT", f"{path}?digest={digest}")


def test_a_push_onto_a_full_disk_is_refused_clearly_and_nothing_is_lost(small_disk):
    with holm(small_disk / "root", UNRESERVED) as registry:
        config, layer = b"config", os.urandom(3 * MIB)
        for content in (config, layer):
            assert push(registry, content).status == 201
        manifest = image(config, [layer])
        assert registry.request("PUT", "/v2/a/manifests/v1", manifest).status == 201
        begun = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        assert registry.request("PATCH", begun, b"0123456789").status == 202

        for _ in range(3):
            answer = push(registry, os.urandom(6 * MIB))
            assert answer.status == 503
            (error,) = answer.json["errors"]
            assert error["code"] == "UNAVAILABLE"
            assert "No space left on device" in error["message"]
        filler = small_disk / "filler"
        run("dd", "if=/dev/zero", f"of={filler}", "bs=1k", check=False)
        refused = registry.request("PATCH", begun, b"x" * MIB, Content_Range=f"10-{MIB + 9}")
        assert refused.status == 503

        held = registry.request("GET", begun).headers["Range"]
        assert int(held.split("-")[1]) >= 9
        digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        assert registry.request("GET", f"/v2/a/blobs/{digest}").body == layer
        assert registry.request("GET", "/v2/a/manifests/v1").body == manifest

        filler.unlink()
        for folder in (small_disk / "root/docker/registry/v2/repositories/a/_uploads").iterdir():
            if folder.name not in begun:
                path = f"/v2/a/blobs/uploads/{folder.name}"
                assert registry.request("DELETE", path).status == 204
        later = os.urandom(2 * MIB)
        assert push(registry, later).status == 201
        digest = f"sha256:{hashlib.sha256(later).hexdigest()}"
        assert registry.request("GET", f"/v2/a/blobs/{digest}").body == later
    errors = [line for line in registry.lines if "storage unavailable" in line]
    assert len(errors) == 1, "logged once"
    assert not any("Traceback" in line for line in registry.lines)


def test_honest_clients_go_on_while_somebody_fills_the_disk(small_disk, tmp_path, skopeo):
    """Who pushes without end is stopped before the disk is full, and pulls and deletions go on."""
    reserved = f"{CONFIG}storage: {{filesystem: {{}}, limits: {{free: 2MiB}}}}\n"
    with holm(small_disk / "root", reserved) as registry:
        there = f"docker://{registry.address}/a:v1"
        config, layer = b"{}", os.urandom(MIB)
        for content in (config, layer):
            assert push(registry, content).status == 201
        manifest = image(config, [layer])
        assert registry.request("PUT", "/v2/a/manifests/v1", manifest).status == 201
        statuses = {push(registry, os.urandom(MIB)).status for _ in range(12)}
        assert statuses == {201, 503}
        left = os.statvfs(small_disk)
        assert left.f_bavail * left.f_frsize >= 2 * MIB
        (error,) = push(registry, os.urandom(MIB)).json["errors"]
        assert "the disk is nearly full" in error["message"]
        assert str(small_disk) not in error["message"]
        skopeo("copy", there, f"dir:{tmp_path}/pulled")
        skopeo("delete", there)
    errors = [line for line in registry.lines if "nearly full" in line]
    assert len(errors) == 1, "logged once"


def fill(disk):
    """Take all that is left, of bytes or of files."""
    with suppress(OSError):
        for count in range(200):
            (disk / f"filler-{count}").touch()
    with suppress(OSError), open(disk / "filler-0", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    left = os.statvfs(disk)
    assert 0 in (left.f_bavail, left.f_favail)


@pytest.mark.parametrize("disk", ["small_disk", "few_files"])
def test_a_volume_of_registry_2_that_is_full_is_served_deleted_from_and_collected(
    disk, request, tmp_path
):
    """As registry:2 leaves it: nothing of ours is on it, and nothing can be made."""
    root = disk = request.getfixturevalue(disk)
    with holm(root, UNRESERVED) as registry:
        for tag in ("v1", "v2", "v3"):
            config, layer = tag.encode(), os.urandom(256 * 1024)
            for content in (config, layer):
                assert push(registry, content).status == 201
            manifest = image(config, [layer])
            assert registry.request("PUT", f"/v2/a/manifests/{tag}", manifest).status == 201
        session = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    for folder in ("_staging", "_maintenance"):
        shutil.rmtree(root / "docker/registry/v2" / folder, ignore_errors=True)
    fill(disk)
    events = "notifications: {endpoints: [{name: a, url: 'http://127.0.0.1:9/'}]}\n"
    with holm(root, UNRESERVED + events) as registry:
        for tag in ("v1", "v2"):
            digest = registry.request("HEAD", f"/v2/a/manifests/{tag}").headers[
                "Docker-Content-Digest"
            ]
            reference = tag if tag == "v1" else digest
            assert registry.request("DELETE", f"/v2/a/manifests/{reference}").status == 202
        assert registry.request("DELETE", session).status == 204
        assert registry.request("GET", "/v2/a/tags/list").json["tags"] == ["v3"]
        age(root)
        file = config_for(root)
        assert command("verify", "--json", file).returncode == 0
        assert command("stats", file).returncode == 0
        done = command("garbage-collect", "-m", "--json", file)
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert (result["problems"], result["blobs"]) == ([], 6)
        assert result["bytes"] > 512 * 1024
        assert push(registry, b"and it can be pushed to again").status == 201
        digest = registry.request("GET", "/v2/a/manifests/v3").json["layers"][0]["digest"]
        assert len(registry.request("GET", f"/v2/a/blobs/{digest}").body) == 256 * 1024
    assert not any("Traceback" in line for line in registry.lines)
