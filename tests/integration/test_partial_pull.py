"""podman pulls of a zstd:chunked layer only the files that it lacks."""

from __future__ import annotations

import io
import random
import re
import tarfile

import pytest

from .servers import CONFIG, ENVIRONMENT, holm, require, run

FILE_BYTES = 200_000
FILES = 40


def layer(changed=()) -> bytes:
    """Make an image's files, some of them others than before."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for number in range(FILES):
            entry = tarfile.TarInfo(f"f{number}")
            entry.size = FILE_BYTES
            seed = number + (1000 if number in changed else 0)
            tar.addfile(entry, io.BytesIO(random.Random(seed).randbytes(FILE_BYTES)))
    return written.getvalue()


@pytest.fixture
def podman(tmp_path):
    """Call podman with a store of its own that pulls in parts, as only overlay can."""
    program, settings = require("podman"), tmp_path / "storage.conf"
    settings.write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{tmp_path}/run"\n'
        f'graphroot = "{tmp_path}/graph"\n'
        '[storage.options]\npull_options = {enable_partial_images = "true"}\n'
    )
    environment = {**ENVIRONMENT, "CONTAINERS_STORAGE_CONF": str(settings)}

    def call(*words):
        return run(program, *words, env=environment)

    try:
        call("info")
    except AssertionError:
        pytest.skip("podman has no overlay here")
    yield call
    call("system", "reset", "--force")


def test_only_what_is_lacking_is_pulled(podman, tmp_path):
    log = tmp_path / "access.log"
    with log.open("w") as written, holm(tmp_path / "root", CONFIG, stdout=written) as registry:
        for tag, changed in (("one", ()), ("two", (3, 17, 31))):
            (tmp_path / "layer.tar").write_bytes(layer(changed))
            name = f"{registry.address}/chunked:{tag}"
            podman("import", str(tmp_path / "layer.tar"), name)
            podman("push", "--tls-verify=false", "--compression-format=zstd:chunked", name)
        podman("rmi", "--all", "--force")
        for tag in ("one", "two"):
            podman("pull", "--tls-verify=false", f"{registry.address}/chunked:{tag}")
    # What is in the log for certain once the registry has ended.
    _, first, second = re.split(r'"GET /v2/chunked/manifests/(?:one|two) ', log.read_text())
    assert sent_bytes(first) > FILES * FILE_BYTES
    assert 0 < sent_bytes(second) < 5 * FILE_BYTES


def sent_bytes(lines: str) -> int:
    """Add up what was sent of blobs, in parts."""
    return sum(map(int, re.findall(r'"GET /v2/chunked/blobs/\S+ HTTP/1.1" 206 (\d+)', lines)))
