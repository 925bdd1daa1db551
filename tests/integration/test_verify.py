"""``registry verify`` on a store that a server serves, as an operator would use it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from holm_registry.oci.digest import Digest
from holm_registry.oci.sizes import format_size
from holm_registry.storage import layout

from .servers import BIN, ENVIRONMENT, holm, registry2
from .test_garbage_collect import A, B, config_for, fill, pull, push, registry


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def blob_file(root: Path, content: bytes) -> Path:
    return root / layout.blob_data(Digest.of(content))


def test_damage_is_found_moved_aside_and_pushed_again_while_the_server_runs(root):
    with holm(root) as server:
        fill(server)
        file = config_for(root)
        done = registry("verify", file)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (
            f"{len(list((root / layout.BLOBS).rglob('data')))} blobs "
            f"({format_size(size_of(root))}) and 4 manifests in 2 repositories: all sound\n"
        )
        pull(server, "a", "v1")
        blob_file(root, b"2").write_bytes(b"X")
        blob_file(root, B).write_bytes(B.replace(b"2", b"3"))
        done = registry("verify", file)
        assert done.returncode == 1
        lines = done.stdout.splitlines()
        assert (
            f"blob {Digest.of(b'2')}: its bytes are damaged: they hash to {Digest.of(b'X')}"
            in lines
        )
        assert lines.count("  affects a:v1") >= 1
        assert lines[-1].endswith("2 damaged, 0 repaired")
        repaired = registry("verify", "--repair", file)
        assert repaired.returncode == 1, "two images are to be pushed again"
        assert "were moved to docker/registry/v2/_damaged; push one of" in repaired.stdout
        assert server.request("HEAD", f"/v2/a/blobs/{Digest.of(b'2')}").status == 404
        assert server.request("HEAD", "/v2/a/manifests/v1").status == 404
        push(server, "a", "v1", B, b"2")
        pull(server, "a", "v1")
        assert registry("verify", "--repair", file).returncode == 0
        assert len(list((root / layout.DAMAGED).rglob("*-*"))) == 2


def size_of(root: Path) -> int:
    return sum(file.stat().st_size for file in (root / layout.BLOBS).rglob("data"))


def test_torn_links_of_registry2_are_rebuilt_for_it_too(root):
    """What a crash of registry:2 leaves: links of no bytes."""
    with registry2(root) as server:
        fill(server)
    links = [
        layout.tag_current_link("a", "v1"),
        layout.revision_link("a/b", Digest.of(A)),
        layout.layer_link("a/b", Digest.of(b"1")),
    ]
    (root / layout.tags("a") / "v1/index/sha256" / Digest.of(A).encoded / "link").unlink()
    for link in links:
        (root / link).write_bytes(b"")
    told = json.loads(registry("verify", "--json", config_for(root)).stdout)
    assert len(told["findings"]) == 3
    assert not any(each["repaired"] for each in told["findings"])
    done = registry("verify", "--repair", "--json", config_for(root))
    assert done.returncode == 0, done.stdout
    assert all(each["repaired"] for each in json.loads(done.stdout)["findings"])
    with registry2(root) as server:
        pull(server, "a", "v1")
        pull(server, "a/b", "v2")
        pull(server, "a/b", "v3")


def test_an_interrupted_run_says_so_and_is_gone_on_with(root):
    with holm(root) as server:
        fill(server)
    # Whoever starts programs in the background may have them ignore Ctrl-C.
    command = [
        "env",
        "--default-signal=INT",
        str(BIN / "registry"),
        "verify",
        "--max-mb-per-second",
        "0.0001",
    ]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*command, str(config_for(root))],
        stdout=subprocess.PIPE,
        stderr=follower,
        env=ENVIRONMENT,
    )
    os.close(follower)
    begun = b""
    while b"reading MiB [" not in begun:
        more = os.read(leader, 65536)
        assert more, begun
        begun += more
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    said = os.read(leader, 65536)
    os.close(leader)
    assert process.returncode == 2
    assert b"registry: interrupted; the next run goes on there" in said
    assert b"Traceback" not in said
    assert output == b""
    assert (root / layout.progress("verify")).exists()
    assert registry("verify", config_for(root)).returncode == 0
    assert not (root / layout.progress("verify")).exists()


@pytest.mark.parametrize("rate", ["0", "-1", "x", "nan"])
def test_a_rate_that_is_none_is_refused(root, rate):
    done = registry("verify", f"--max-mb-per-second={rate}", root)
    assert done.returncode == 2
    assert "expected a number above 0" in done.stderr
    assert "Traceback" not in done.stderr
