"""A volume that is unmounted below a server, and mounted again."""

from __future__ import annotations

import os
import subprocess

import pytest

from ..images import image
from .servers import CONFIG, holm, require, run
from .test_full_disk import push


@pytest.fixture
def bind(tmp_path):
    """Mount a volume on a folder; give what does, and what undoes it."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "root").mkdir()
    root = tmp_path / "root"

    def mount():
        return [require("mount"), "--bind", str(tmp_path / "volume"), str(root)]

    if os.geteuid() != 0 or subprocess.run(mount(), check=False, capture_output=True).returncode:
        if os.environ.get("HOLM_REQUIRE_CLIENTS"):
            pytest.fail("cannot mount")
        pytest.skip("cannot mount: needs root")
    yield root, lambda: run(*mount()), lambda: run("umount", root)
    subprocess.run(["umount", str(root)], check=False, capture_output=True)


def test_a_server_refuses_while_its_volume_is_gone_and_goes_on_when_it_is_back(bind):
    root, mount, unmount = bind
    with holm(root, CONFIG) as server:
        for content in (b"c", b"layer"):
            assert push(server, content).status == 201
        payload = image(b"c", [b"layer"])
        assert server.request("PUT", "/v2/a/manifests/v1", payload).status == 201
        unmount()
        for method, path, body in (
            ("GET", "/v2/a/manifests/v2", None),
            ("GET", "/v2/a/manifests/v1", None),
            ("POST", "/v2/a/blobs/uploads/", None),
            ("PUT", "/v2/a/manifests/v2", payload),
            ("DELETE", "/v2/a/manifests/v1", None),
        ):
            answer = server.request(method, path, body)
            assert answer.status == 503, (method, path)
            (error,) = answer.json["errors"]
            assert error["code"] == "UNAVAILABLE"
            assert "the volume is not mounted" in error["message"]
        assert os.listdir(root) == []
        mount()
        assert server.request("GET", "/v2/a/manifests/v1").body == payload
        assert push(server, b"more").status == 201
    assert not any("Traceback" in line for line in server.lines)
