"""
Where workloads are run: folders, what is in them, and programs that load a server.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from attrs import define, field

from holm_registry.oci.digest import Digest
from holm_registry.storage import layout

from .collect import fill, write
from .servers import Server

#: Without it registry 2.8.2 makes an old manifest of what it has.
_ACCEPT = "application/vnd.docker.distribution.manifest.v2+json"

#: How long a client may take at all.
_LONGEST_SECONDS = 900

#: What a run gives: figures by name.
Figures = dict[str, float]

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@define
class Sizes:
    """
    How large everything is.

    :ivar blob: Of a large blob, in bytes.
    :ivar seconds: How long small requests are sent.
    """

    blob: int = 256 * 1024 * 1024
    small_count: int = 1000
    small: int = 16 * 1024
    layer: int = 40 * 1024 * 1024
    held: int = 64 * 1024 * 1024
    at_once: int = 64
    clients: int = 13
    seconds: int = 4
    tags: int = 10_000
    repositories: tuple[int, ...] = (3_000, 30_000)
    manifests: int = 25_000
    pulls: int = 32


SMOKE = Sizes(
    blob=1 << 20,
    small_count=20,
    layer=1 << 18,
    held=1 << 18,
    at_once=4,
    clients=3,
    seconds=1,
    tags=50,
    repositories=(10, 20),
    manifests=20,
    pulls=2,
)


@define
class Stage:
    """
    :ivar folder: Where everything is written; on a disk, as a registry's volume is.
    """

    folder: Path
    sizes: Sizes
    _trees: dict[str, Path] = field(factory=dict)

    def fresh(self, name: str) -> Path:
        """Give an empty folder for a server that is pushed to."""
        root = self.folder / f"fresh-{name}"
        shutil.rmtree(root, ignore_errors=True)
        return root

    def tree(self, name: str) -> Path:
        """Give a folder with something to read in it, made once."""
        if name not in self._trees:
            root = self.folder / name
            if not (root / layout.ROOT).exists():
                _MAKERS[name.partition("-")[0]](root, self.sizes, name)
            self._trees[name] = root
        return self._trees[name]

    def client(self, work: str, server: Server, *words: object, **options: int) -> dict[str, float]:
        """Run a client of ours against a server; give what it measured."""
        command = [sys.executable, "-m", "benchmarks.clients", work, server.address]
        command += map(str, words)
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=_LONGEST_SECONDS)
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def wrk(self, server: Server, path: str, *, at_once: int = 16) -> Figures:
        """Ask for one address as often as can be; give requests a second, and the p99 in ms."""
        script = self.folder / "wrk.lua"
        script.write_text(f'wrk.headers["Accept"] = "{_ACCEPT}"\n')
        command = ["wrk", "-t1", f"-c{at_once}", f"-d{self.sizes.seconds}s", "--latency"]
        command += ["-s", str(script), f"{server.url}{path}"]
        self._warm([*command[:3], "-d1s", *command[5:]])
        done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done)
        p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", done)
        if rate is None or p99 is None or "Non-2xx" in done:
            raise RuntimeError(done)
        return {"requests/s": float(rate[1]), "p99 ms": float(p99[1]) * _UNITS[p99[2]]}

    def heads(self, server: Server, path: str) -> Figures:
        """
        Ask for the head of one address as often as can be; give the same as :meth:`wrk`.

        wrk waits for a body, and ab speaks HTTP/1.0: a connection each, here.
        """
        self.client("head", server, path, at_once=16, seconds=1)
        return self.client("head", server, path, at_once=16, seconds=self.sizes.seconds)

    def _warm(self, command: list[str]) -> None:
        if self.sizes is not SMOKE:
            subprocess.run(command, check=True, capture_output=True)

    def hash_and_write_seconds(self, size_bytes: int) -> float:
        """Tell how long it takes to hash and to write so much with the tools of the system."""
        source, target = self.folder / "source", self.folder / "target"
        source.write_bytes(os.urandom(1 << 20) * max(1, size_bytes >> 20))
        began = os.times().elapsed
        command = ["openssl", "sha256", str(source)]
        subprocess.run(command, check=True, capture_output=True)
        command = ["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync"]
        subprocess.run(command, check=True, capture_output=True)
        seconds = os.times().elapsed - began
        source.unlink()
        target.unlink()
        return max(seconds, 0.001)


def blob_path(name: str, digest: Digest) -> str:
    """Give the address of a blob."""
    return f"/v2/{name}/blobs/{digest}"


def _make_large(root: Path, sizes: Sizes, _: str) -> None:
    """One large blob, and an image of five layers."""
    digest = _put(root, "large/app", sizes.blob)
    layers = [_put(root, "large/image", sizes.layer) for _ in range(5)]
    (root / "large.json").write_text(json.dumps({"blob": str(digest), "layers": layers}))


def _put(root: Path, name: str, size_bytes: int) -> str:
    content = os.urandom(1 << 16) * (size_bytes >> 16)
    digest = Digest.parse(f"sha256:{hashlib.sha256(content).hexdigest()}")
    write(str(root), layout.blob_data(digest), content)
    write(str(root), layout.layer_link(name, digest), str(digest).encode())
    return str(digest)


def _make_small(root: Path, _sizes: Sizes, _name: str) -> None:
    fill(str(root), 1, 1)


def _make_tags(root: Path, sizes: Sizes, _name: str) -> None:
    """One repository with many tags of one image."""
    fill(str(root), 1, 1)
    repository = root / layout.repository("team0/app0")
    link = (repository / "_manifests/tags/v0/current/link").read_bytes()
    for number in range(sizes.tags):
        write(str(root), layout.tag_current_link("team0/app0", f"v{number}"), link)


def _make_catalog(root: Path, sizes: Sizes, name: str) -> None:
    """Repositories with little in them: what a catalog looks at is their folders."""
    blob = _put(root, "seed", 1 << 16)
    digest, link = Digest.parse(blob), blob.encode()
    for number in range(sizes.repositories[int(name.rpartition("-")[2])]):
        repository = f"team{number % 40}/app{number}"
        write(str(root), layout.layer_link(repository, digest), link)
        write(str(root), layout.revision_link(repository, digest), link)
        write(str(root), layout.tag_current_link(repository, "v1"), link)


def _make_manifests(root: Path, sizes: Sizes, _name: str) -> None:
    fill(str(root), min(3000, sizes.manifests), sizes.manifests)


_MAKERS = {
    "large": _make_large,
    "small": _make_small,
    "tags": _make_tags,
    "catalog": _make_catalog,
    "manifests": _make_manifests,
}
