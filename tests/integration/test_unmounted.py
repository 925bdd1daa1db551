"""A volume that is unmounted below a server, and mounted again."""

from __future__ import annotations

import os
import subprocess

import pytest

from holm_registry.content.registry import Registry
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import image
from ..stores import age, pull
from ..stores import push as push_image
from .servers import BIN, CONFIG, ENVIRONMENT, holm, require, run
from .test_full_disk import push

IMAGE = image(b"c", [b"layer"])


@pytest.fixture
def bind(tmp_path):
    """Mount a volume on a folder; give what does, and what undoes it."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "root").mkdir()
    root = tmp_path / "root"
    mount = [require("mount"), "--bind", str(tmp_path / "volume"), str(root)]
    require_mount(mount)
    yield root, lambda: run(*mount), lambda: run("umount", root)
    subprocess.run(["umount", str(root)], check=False, capture_output=True)


def require_mount(command):
    """Mount something, or skip the test; where clients are required, fail it."""
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        if os.environ.get("HOLM_REQUIRE_CLIENTS"):
            pytest.fail("cannot mount")
        pytest.skip("cannot mount: needs root")


@pytest.fixture(params=[True, False], ids=["marked", "as registry:2 left it"])
def hidden(request, tmp_path):
    """A store with an empty file system on its repositories; give what takes it off again."""
    root = tmp_path / "root"
    root.mkdir()
    store = FilesystemDriver(str(root))
    push_image(Registry(store), "a", "v1", IMAGE, b"c", b"layer")
    if request.param:
        store.mark()
    age(root)
    part = str(root / layout.REPOSITORIES)
    require_mount([require("mount"), "-t", "tmpfs", "none", part])
    yield root, lambda: run("umount", part)
    subprocess.run(["umount", part], check=False, capture_output=True)


def call(*words, program="registry"):
    """Run a command; give its status and what it says."""
    done = subprocess.run(
        [str(BIN / program), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=ENVIRONMENT,
    )
    return done.returncode, done.stdout, done.stderr


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


COLLECT = ("garbage-collect", "--quiet", "--grace", "0s")


def test_a_collection_without_the_volume_of_its_repositories_removes_nothing(hidden):
    root, unmount = hidden
    for words in (COLLECT, (*COLLECT, "--dry-run")):
        status, out, err = call(*words, "--root", root)
        assert (status, out) == (2, "")
        assert err.startswith(f"registry: {layout.REPOSITORIES}: "), err
        assert "volume is not mounted" in err
        assert len(err.splitlines()) == 1
    assert os.listdir(root / layout.REPOSITORIES) == []
    unmount()
    status, out, err = call(*COLLECT, "--root", root)
    assert (status, err) == (0, "")
    assert out.startswith("0 bytes freed")
    pull(Registry(FilesystemDriver(str(root))), "a", "v1")


def test_no_server_starts_to_write_across_file_systems(hidden):
    root, unmount = hidden
    words = ("--nodaemon", "holm-registry", "--root", root, "--listen", "tcp:0:interface=127.0.0.1")
    status, _, err = call(*words, program="twistd")
    assert status == 1
    assert f"{layout.REPOSITORIES} is on another file system, where no push can end" in err
    unmount()
    with holm(root) as server:
        assert push(server, b"more").status == 201


def test_a_repository_on_a_file_system_of_its_own_can_only_be_read(bind):
    root, _, _ = bind
    push_image(Registry(FilesystemDriver(str(root))), "a", "v1", IMAGE, b"c", b"layer")
    part = root / layout.repository("b")
    part.mkdir()
    require_mount([require("mount"), "-t", "tmpfs", "none", str(part)])
    try:
        with holm(root) as server:
            answer = push(server, b"more", "b")
            assert answer.status == 503
            (error,) = answer.json["errors"]
            assert error["message"].endswith(
                ": a part of this repository is on another file system"
            )
            assert push(server, b"more", "a").status == 201
            assert server.request("GET", "/v2/a/manifests/v1").status == 200
    finally:
        run("umount", part)


@pytest.mark.parametrize("words", [COLLECT, ("verify",), ("stats",)])
def test_no_command_takes_a_volume_that_is_not_mounted_for_a_store(bind, words):
    root, mount, unmount = bind
    push_image(Registry(FilesystemDriver(str(root))), "a", "v1", IMAGE, b"c", b"layer")
    unmount()
    status, _, err = call(*words, "--root", root)
    assert (status, len(err.splitlines())) == (2, 1)
    assert "holds no store: nothing was pushed yet, or its volume is not mounted" in err
    assert os.listdir(root) == []
    mount()
    assert call(*words, "--root", root)[0] == 0
