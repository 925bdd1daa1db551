"""A disk that really is full."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

from ..images import image
from .servers import CONFIG, holm, require, run

MIB = 1024 * 1024

#: Takes all that the disk has, as nobody should.
UNRESERVED = f"{CONFIG}storage: {{filesystem: {{}}, limits: {{free: 0}}}}\n"


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of eight mebibytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = [require("mount"), "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        if os.environ.get("HOLM_REQUIRE_CLIENTS"):
            pytest.fail("cannot mount a small disk")
        pytest.skip("cannot mount a small disk: needs root")
    yield folder
    run("umount", folder)


def push(registry, content: bytes):
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    location = registry.request("POST", "/v2/a/blobs/uploads/")
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
