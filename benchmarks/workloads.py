"""
What is measured, and what is wanted of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from holm_registry.storage import layout

from .servers import Server, nginx, ours, peer
from .stage import Figures, Stage

#: What starts a server on a folder.
Start = Callable[[Path], Server]


@frozen
class Goal:
    """
    :ivar figure: Which figure it is about.
    :ivar ratio: How many times better than the other one it has to be.
    :ivar against: What ours is compared with; empty where ``most`` bounds it.
    :ivar most: The most that our figure may be.
    """

    figure: str
    ratio: float = 1.0
    against: str = "registry 2.8.2"
    most: float | None = None


@frozen
class Workload:
    """
    :ivar name: What it is called in tables, and by ``--only``.
    :ivar run: Does it on a stage, with a server started by what it is given.
    :ivar others: What it is compared with.
    """

    name: str
    run: Callable[[Stage, str, Start], Figures]
    goals: tuple[Goal, ...] = ()
    others: tuple[str, ...] = ("registry 2.8.2",)


def _loaded(
    server: Server, figures: Figures, cpu_before: float = 0.0, moved_bytes: int = 0
) -> Figures:
    """
    Add what it cost the server.

    :param moved_bytes: What was pushed or pulled: what each of it costs must not grow.
    """
    if server.is_local:
        figures["cpu s"] = server.cpu_seconds() - cpu_before
        if moved_bytes:
            figures["cpu s/GB"] = figures["cpu s"] / moved_bytes * 1e9
        figures["peak MiB"] = server.peak_bytes() / 2**20
    return figures


def _push(at_once: int, count: int | None, size: str) -> Callable[[Stage, str, Start], Figures]:
    def run(stage: Stage, name: str, start: Start) -> Figures:
        length = getattr(stage.sizes, size)
        total = stage.sizes.small_count if count is None else count
        if name == "openssl + dd":
            return {"MB/s": length / stage.hash_and_write_seconds(length) / 1e6}
        with start(stage.fresh("push")) as server:
            before = server.cpu_seconds()
            found = stage.client("push", server, size=length, count=total, at_once=at_once)
            seconds = found["seconds"]
            rates = {"MB/s": length * total / seconds / 1e6}
            if size == "small":
                rates = {"blobs/s": total / seconds}
            return _loaded(server, rates, before, length * total)

    return run


def _pull(at_once: int) -> Callable[[Stage, str, Start], Figures]:
    def run(stage: Stage, name: str, start: Start) -> Figures:
        root = stage.tree("large")
        digest = json.loads((root / "large.json").read_text())["blob"]
        path = _raw(digest) if name == "nginx" else f"/v2/large/app/blobs/{digest}"
        count = max(1, stage.sizes.pulls // at_once)
        with start(root) as server:
            stage.client("pull", server, path)
            before = server.cpu_seconds()
            found = stage.client("pull", server, path, count=count, at_once=at_once)
            moved = stage.sizes.blob * count * at_once
            return _loaded(server, {"MB/s": moved / found["seconds"] / 1e6}, before, moved)

    return run


def _raw(digest: str) -> str:
    encoded = digest.partition(":")[2]
    return f"/{layout.BLOBS}/sha256/{encoded[:2]}/{encoded}/data"


def _tls_pull(stage: Stage, _name: str, start: Start) -> Figures:
    root = stage.tree("large")
    digest = json.loads((root / "large.json").read_text())["blob"]
    with start(root) as server:
        url = f"{server.url}/v2/large/app/blobs/{digest}"
        command = ["curl", "--silent", "--insecure", "--fail", "--output", os.devnull, url]
        subprocess.run(command, check=True)
        before, began = server.cpu_seconds(), time.perf_counter()
        for _ in range(3):
            subprocess.run(command, check=True)
        rate = 3 * stage.sizes.blob / (time.perf_counter() - began) / 1e6
        return _loaded(server, {"MB/s": rate}, before)


def _small(path: str, *, head: bool = False) -> Callable[[Stage, str, Start], Figures]:
    def run(stage: Stage, _name: str, start: Start) -> Figures:
        root = stage.tree("small")
        with start(root) as server:
            before = server.cpu_seconds()
            address = path.format(**_digests(root))
            found = stage.heads(server, address) if head else stage.wrk(server, address)
            return _loaded(server, dict(found), before)

    return run


def _digests(root: Path) -> dict[str, str]:
    """Give the manifest and a blob of the small tree."""
    repository = root / layout.repository("team0/app0")
    link = repository / "_manifests/tags/v0/current/link"
    layers = sorted((repository / "_layers/sha256").iterdir())
    return {"manifest": link.read_text(), "blob": f"sha256:{layers[0].name}"}


def _list(tree: str, path: str) -> Callable[[Stage, str, Start], Figures]:
    def run(stage: Stage, _name: str, start: Start) -> Figures:
        with start(stage.tree(tree)) as server:
            # The first request to a server that was just started: it knows nothing yet.
            first = stage.client("pull", server, path)["seconds"]
            before = server.cpu_seconds()
            found = dict(stage.wrk(server, path, at_once=4))
            return _loaded(server, {**found, "first ms": first * 1000}, before)

    return run


def _rollout(stage: Stage, _name: str, start: Start) -> Figures:
    root = stage.tree("large")
    layers = json.loads((root / "large.json").read_text())["layers"]
    paths = [f"/v2/large/image/blobs/{digest}" for digest in layers]
    with start(root) as server:
        stage.client("pull", server, *paths)
        before = server.cpu_seconds()
        found = stage.client("pull", server, *paths, at_once=stage.sizes.clients)
        return _loaded(server, {"s": found["seconds"]}, before)


def _mixed(stage: Stage, _name: str, start: Start) -> Figures:
    root = stage.tree("large")
    digest = json.loads((root / "large.json").read_text())["blob"]
    path = f"/v2/large/app/blobs/{digest}"
    with start(root) as server:
        before = server.cpu_seconds()
        options = {"size": stage.sizes.blob // 4, "count": 8}
        found = stage.client("mixed", server, path, path, **options)
        return _loaded(server, {"HEAD p99 ms": found["p99"]}, before)


def _dry_run(stage: Stage, name: str, _start: Start) -> Figures:
    root = stage.tree("manifests")
    config = root / "config.yml"
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n")
    program = str(Path(sys.executable).parent / "registry")
    if name != "Holm Registry":
        program = "docker-registry"
    began = time.perf_counter()
    command = [program, "garbage-collect", "-d", str(config)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {"s": time.perf_counter() - began}


def _idle(stage: Stage, _name: str, start: Start) -> Figures:
    with start(stage.tree("small")) as server:
        return {"MiB": server.resident_bytes() / 2**20, "start s": server.start_seconds}


def _hold(stage: Stage, _name: str, start: Start) -> Figures:
    root = stage.tree("large")
    digest = json.loads((root / "large.json").read_text())["blob"]
    path = f"/v2/large/app/blobs/{digest}"
    with start(root) as server:
        before = server.cpu_seconds()
        sizes = stage.sizes
        stage.client("hold", server, path, size=sizes.held, at_once=sizes.at_once)
        return _loaded(server, {}, before)


_THREE = (Goal("requests/s", 3.0), Goal("p99 ms", 1.0))
_LISTS = (Goal("requests/s", 3.0), Goal("first ms", 1.0))
_PUSHED = (Goal("MB/s", 3.0), Goal("MB/s", 0.5, "openssl + dd"))
_PULLED = (Goal("MB/s", 1.3), Goal("MB/s", 0.9, "nginx"))
_PUSHERS = ("registry 2.8.2", "openssl + dd")
_PULLERS = ("registry 2.8.2", "nginx")
_MIDDLE = "last=team2/app1002"

WORKLOADS = (
    Workload("push 1", _push(1, 1, "blob"), _PUSHED, others=_PUSHERS),
    Workload("push 4", _push(4, 4, "blob"), _PUSHED, others=_PUSHERS),
    Workload("push 16", _push(16, 16, "blob"), _PUSHED, others=_PUSHERS),
    Workload("push small", _push(16, None, "small"), (Goal("blobs/s", 1.5),)),
    Workload("pull 1", _pull(1), _PULLED, others=_PULLERS),
    Workload("pull 4", _pull(4), _PULLED, others=_PULLERS),
    Workload("pull 16", _pull(16), _PULLED, others=_PULLERS),
    Workload("pull TLS", _tls_pull),
    Workload("manifest GET by tag", _small("/v2/team0/app0/manifests/v0"), _THREE),
    Workload("manifest HEAD by tag", _small("/v2/team0/app0/manifests/v0", head=True), _THREE),
    Workload("manifest GET by digest", _small("/v2/team0/app0/manifests/{manifest}"), _THREE),
    Workload("blob HEAD", _small("/v2/team0/app0/blobs/{blob}", head=True), _THREE),
    Workload("tags of 10,000", _list("tags", "/v2/team0/app0/tags/list?n=100&last=v4"), _LISTS),
    Workload("catalog of 3,000", _list("catalog-0", f"/v2/_catalog?n=100&{_MIDDLE}"), _LISTS),
    Workload("catalog of 30,000", _list("catalog-1", f"/v2/_catalog?n=100&{_MIDDLE}"), _LISTS),
    Workload("rollout to 13", _rollout, (Goal("s", 1.3),)),
    Workload("mixed", _mixed, (Goal("HEAD p99 ms", 1.0),)),
    Workload("collection, dry run", _dry_run, (Goal("s", 1.0),)),
    Workload(
        "idle",
        _idle,
        (Goal("MiB", against="", most=64), Goal("start s", against="", most=1.0)),
    ),
    Workload("64 pushes, 64 readers", _hold, (Goal("peak MiB", against="", most=160),)),
)

#: Figures of which less is better, whatever workload they are of.
LESS_IS_BETTER = frozenset(
    {"p99 ms", "first ms", "cpu s", "cpu s/GB", "peak MiB", "s", "MiB", "start s"}
)


def starter(name: str, tls: str) -> Start:
    """Give what starts a server of a name; with TLS, by the files that begin so."""
    starts: dict[str, Start] = {
        "Holm Registry": lambda root: ours(root, tls),
        "registry 2.8.2": lambda root: peer(root, tls),
        "nginx": nginx,
    }
    # What is no server is never started.
    return starts.get(name, starts["nginx"])
