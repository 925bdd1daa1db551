from __future__ import annotations

import os
import tempfile

import pytest

from .layouts import make_layout
from .servers import ENVIRONMENT, Process, holm, require, run


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    """Images on disk."""
    return make_layout(tmp_path_factory.mktemp("images") / "layout")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Our registry, for the tests of one file."""
    with holm(tmp_path_factory.mktemp("registry") / "root") as process:
        yield process


@pytest.fixture(scope="session")
def skopeo():
    """Copies with skopeo, without TLS."""
    program = require("skopeo")

    def call(command: str, *words, **options) -> str:
        tls = {
            "copy": ["--src-tls-verify=false", "--dest-tls-verify=false"],
            "sync": ["--src-tls-verify=false", "--dest-tls-verify=false"],
        }.get(command, ["--tls-verify=false"])
        return run(program, "--insecure-policy", command, *tls, *words, **options)

    return call


@pytest.fixture(scope="session")
def docker(tmp_path_factory):
    """Docker, client and engine, private to this run."""
    client, engine = require("/usr/bin/docker"), require("dockerd")
    home = tmp_path_factory.mktemp("docker")
    address = f"unix://{home}/socket"
    command = [
        engine,
        "--storage-driver=vfs",
        "--iptables=false",
        "--bridge=none",
        f"--host={address}",
        f"--data-root={home}/data",
        f"--exec-root={home}/exec",
        f"--pidfile={home}/pid",
    ]
    environment = {**ENVIRONMENT, "DOCKER_HOST": address, "HOME": str(home)}
    if not os.path.exists("/usr/sbin/iptables"):
        environment["PATH"] += ":/usr/sbin"
    with Process(command, r"API listen on (\S+)", env=environment):
        yield lambda *words, **options: run(client, *words, env=environment, **options)


@pytest.fixture
def ctr():
    """The client of a containerd private to this test: what pulls for Kubernetes."""
    client, engine = require("ctr"), require("containerd")
    with tempfile.TemporaryDirectory(prefix="ctrd-", ignore_cleanup_errors=True) as home:
        address = f"{home}/sock"
        config = os.path.join(home, "config.toml")
        with open(config, "w") as file:
            file.write(
                f'version = 2\nroot = "{home}/root"\nstate = "{home}/state"\n'
                f'[grpc]\naddress = "{address}"\n[ttrpc]\naddress = "{address}.ttrpc"\n'
            )
        with Process([engine, "--config", config], rf'msg=serving.*address="?({address})"?$'):
            yield lambda *words, **options: run(client, "--address", address, *words, **options)
