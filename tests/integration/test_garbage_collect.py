"""``registry garbage-collect``, beside registries that serve, and what it leaves for registry:2."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from holm_registry.oci.digest import Digest

from ..images import image, index
from ..waiting import wait_until
from .servers import BIN, CONFIG, ENVIRONMENT, holm, registry2, require, run

DAY = 86400.0
A, B = image(b"c", [b"1"]), image(b"c", [b"2"])


def push(registry, name, reference, payload, *blobs):
    for content in blobs:
        location = registry.request("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        path = location.partition(registry.address)[2] or location
        path += f"{'&' if '?' in path else '?'}digest={Digest.of(content)}"
        assert registry.request("PUT", path, content).status == 201
    media_type = json.loads(payload)["mediaType"]
    answer = registry.request(
        "PUT", f"/v2/{name}/manifests/{reference}", payload, Content_Type=media_type
    )
    assert answer.status == 201, answer.body


def pull(registry, name, reference):
    answer = registry.request(
        "GET", f"/v2/{name}/manifests/{reference}", Accept=", ".join(ACCEPTED)
    )
    assert answer.status == 200, (name, reference, answer.body)
    document = json.loads(answer.body)
    for part in [*document.get("layers", []), *filter(None, [document.get("config")])]:
        blob = registry.request("GET", f"/v2/{name}/blobs/{part['digest']}")
        assert blob.status == 200
        assert str(Digest.of(blob.body)) == part["digest"]
    for child in document.get("manifests", []):
        pull(registry, name, child["digest"])


ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


def age(root: Path, seconds: float = 2 * DAY) -> None:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            then = os.stat(path).st_mtime - seconds
            os.utime(path, (then, then))


def config_for(root: Path, more: str = "") -> Path:
    file = root.with_suffix(".collect.yml")
    file.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}{more}}}\n")
    return file


def registry(*words: object, **options) -> subprocess.CompletedProcess[str]:
    options.setdefault("env", ENVIRONMENT)
    command = [str(BIN / "registry"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "root"


def fill(server):
    push(server, "a", "v1", A, b"c", b"1", b"unused")
    push(server, "a", "v1", B, b"2")
    push(server, "a/b", "v2", A, b"c", b"1")
    push(server, "a/b", "v3", index([A]))


def test_a_collection_beside_a_server_that_runs_and_its_cache(root):
    with holm(root) as server:
        fill(server)
        for _ in range(3):
            pull(server, "a", Digest.of(A))
        age(root)
        # What registry:2 gets wrong: the server still knows what has gone (distribution#3743).
        done = registry("garbage-collect", "-m", config_for(root))
        assert done.returncode == 0, done.stderr
        assert server.request("HEAD", f"/v2/a/manifests/{Digest.of(A)}").status == 404
        assert server.request("HEAD", f"/v2/a/blobs/{Digest.of(b'unused')}").status == 404
        assert server.request("HEAD", f"/v2/a/blobs/{Digest.of(b'1')}").status == 404
        pull(server, "a", "v1")
        pull(server, "a/b", "v3")
        push(server, "a", "again", A, b"c", b"1", b"unused")
        pull(server, "a", "again")


def test_it_prints_what_registry2_prints(root):
    program = require("docker-registry")
    with holm(root) as server:
        push(server, "a", "v1", A, b"c", b"1")
        push(server, "a", "v1", B, b"2")
    age(root)
    file = config_for(root)
    expected = run(program, "garbage-collect", "--dry-run", "-m", file)
    told = registry("garbage-collect", "--dry-run", "-m", file)
    assert told.returncode == 0
    ours = [line for line in told.stdout.splitlines() if "layer link eligible" not in line]
    # The order within a repository is its own in each run of either.
    assert sorted(ours[:-1]) == sorted(expected.splitlines())
    assert "bytes would be freed" in ours[-1]


def test_registry2_serves_what_was_collected(root):
    with registry2(root) as server:
        fill(server)
        assert server.request("DELETE", f"/v2/a/manifests/{Digest.of(A)}").status == 202
    age(root)
    done = registry("garbage-collect", "-m", "-q", config_for(root))
    assert "3 blobs" not in done.stderr
    assert done.returncode == 0, done.stderr
    with registry2(root) as server:
        pull(server, "a", "v1")
        pull(server, "a/b", "v2")
        pull(server, "a/b", "v3")
        push(server, "a", "v9", A, b"c", b"1")
        pull(server, "a", "v9")


def test_json_quiet_and_what_is_young(root):
    with holm(root) as server:
        fill(server)
        file = config_for(root)
        young = json.loads(registry("garbage-collect", "-m", "--json", file).stdout)
        assert (young["blobs"], young["manifests"], young["dry_run"]) == (0, 0, False)
        age(root)
        assert registry("garbage-collect", "-m", "--grace", "72h", "-q", file).stdout == (
            "0 bytes freed (0 B): 0 blobs, 0 manifests, 0 layer links, 0 referrer links, "
            "0 uploads, 0 empty repositories\n"
        )
        old = json.loads(registry("garbage-collect", "-m", "--json", file).stdout)
        assert (old["blobs"], old["manifests"], old["layer_links"], old["bytes"]) == (1, 1, 2, 6)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--grace", "x", "c.yml"], 2, "expected a duration such as"),
        (["missing.yml"], 2, "configuration file missing.yml: No such file or directory"),
        (["memory.yml"], 2, "storage is in memory"),
        (["gone.yml"], 2, "is not a directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(tmp_path, words, status, said):
    (tmp_path / "memory.yml").write_text("version: 0.1\nstorage: inmemory\n")
    (tmp_path / "gone.yml").write_text(
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /nowhere/at/all}}\n"
    )
    done = registry("garbage-collect", *words, cwd=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_second_collection_says_so_and_leaves(root):
    import fcntl

    with holm(root) as server:
        fill(server)
    file = config_for(root)
    assert registry("garbage-collect", file).returncode == 0
    lock = root / "docker/registry/v2/_maintenance/collection.lock"
    with lock.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = registry("garbage-collect", file)
        assert done.returncode == 2
        assert "another collection is running" in done.stderr
        assert registry("garbage-collect", "--dry-run", file).returncode == 0


def test_a_read_only_registry_can_be_collected_by_command(root):
    with holm(root) as server:
        fill(server)
    age(root)
    file = config_for(root, ", maintenance: {readonly: {enabled: true}}")
    done = json.loads(registry("garbage-collect", "--json", file).stdout)
    assert done["blobs"] == 1


def test_on_a_terminal_there_is_a_progress_bar(root):
    with holm(root) as server:
        fill(server)
    leader, follower = pty.openpty()
    done = subprocess.run(
        [str(BIN / "registry"), "garbage-collect", "-q", str(config_for(root))],
        stdout=subprocess.PIPE,
        stderr=follower,
        check=True,
        env=ENVIRONMENT,
    )
    os.close(follower)
    assert b"marking [" in os.read(leader, 65536)
    os.close(leader)
    assert b"bytes freed" in done.stdout


def test_the_server_collects_and_purges_on_its_schedule(root):
    config = (
        f"{CONFIG}storage:\n  filesystem: {{}}\n  maintenance:\n"
        "    collect: {interval: 1s, untagged: true}\n"
        "    uploadpurging: {enabled: true, age: 24h, interval: 1s, dryrun: false}\n"
    )
    with holm(root) as server:
        fill(server)
        location = server.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    age(root)
    with holm(root, config) as server:
        lines = wait_for_lines(server, "collect done: ", "purge done: ")
        assert server.request("HEAD", f"/v2/a/manifests/{Digest.of(A)}").status == 404
        assert server.request("GET", location).status == 404
        pull(server, "a", "v1")
        pull(server, "a/b", "v3")
        assert not any("failed" in line for line in lines)
    result = json.loads((root / "docker/registry/v2/_maintenance/collect.json").read_text())
    assert result["problems"] == []


def wait_for_lines(server, *wanted: str) -> list[str]:
    """Read on until a server has logged something with each of these in it."""
    wait_until(
        lambda: all(any(each in line for line in server.lines) for each in wanted),
        lambda: "".join(server.lines),
    )
    return list(server.lines)


def test_stats_for_people_and_for_programs(root):
    with holm(root) as server:
        fill(server)
        server.request("POST", "/v2/a/blobs/uploads/")
        age(root)
        table = registry("stats", "-m", config_for(root))
        assert table.returncode == 0, table.stderr
        lines = table.stdout.splitlines()
        assert lines[0].split() == ["REPOSITORY", "TAGS", "MANIFESTS", "SIZE", "UNIQUE", "FREEABLE"]
        assert lines[1].split()[:3] == ["a", "1", "2"]
        assert "2 repositories, 3 tags, 4 manifests" in lines[-1]
        stats = json.loads(registry("stats", "--json", config_for(root)).stdout)
        done = json.loads(registry("garbage-collect", "--json", config_for(root)).stdout)
        assert done["bytes"] == stats["total"]["bytes_freeable"] == 6
        assert stats["repositories"][0]["bytes_freeable"] == 6
