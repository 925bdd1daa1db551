"""
A dry run of garbage collection against registry 2.8.2's, on one tree, in turns.

``python -m benchmarks.collect [--repositories 3000] [--manifests 25000] [--filled FOLDER]``
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from holm_registry.oci.digest import Digest
from holm_registry.storage import layout

LAYERS = 5


def write(root: str, path: str, content: bytes) -> None:
    """Write one file of the tree."""
    full = f"{root}/{path}"
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(content)


def fill(root: str, repositories: int, manifests: int) -> None:
    """Make a tree as a server would have: each image has a tag, and layers shared with the next."""
    for number in range(manifests):
        name = f"team{number % 40}/app{number % repositories}"
        parts = [f"config {number}".encode()]
        parts += [f"layer {number // 3 + step}".encode() for step in range(LAYERS)]
        described = []
        for content in parts:
            digest = Digest.of(content)
            write(root, layout.blob_data(digest), content)
            write(root, layout.layer_link(name, digest), str(digest).encode())
            described.append({"mediaType": "x/y", "digest": str(digest), "size": len(content)})
        payload = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": described[0],
                "layers": described[1:],
            },
            indent=3,
        ).encode()
        digest = Digest.of(payload)
        link = str(digest).encode()
        tag = f"v{number // repositories}"
        write(root, layout.blob_data(digest), payload)
        write(root, layout.revision_link(name, digest), link)
        write(root, layout.tag_current_link(name, tag), link)
        write(root, layout.tag_index_link(name, tag, digest), link)


def timed(command: list[str]) -> tuple[float, str]:
    """Run a command; give its seconds and its last lines."""
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return time.monotonic() - start, "\n".join(done.stdout.splitlines()[-1:])


def main() -> None:
    """Fill, run in turns, print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repositories", type=int, default=3000)
    parser.add_argument("--manifests", type=int, default=25000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filled", help="folder to fill, or one that is filled")
    arguments = parser.parse_args()
    root = arguments.filled or tempfile.mkdtemp()
    if not Path(root, layout.ROOT).exists():
        fill(root, arguments.repositories, arguments.manifests)
    config = Path(root, "config.yml")
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}}}\n")
    ours = [str(Path(sys.executable).parent / "registry"), "garbage-collect", "-d", str(config)]
    theirs = ["docker-registry", "garbage-collect", "-d", str(config)]
    for options in ([], ["-m"]):
        times: dict[str, list[float]] = {"ours": [], "registry 2.8.2": []}
        for _ in range(arguments.rounds):
            for name, command in (("ours", ours), ("registry 2.8.2", theirs)):
                seconds, last = timed([*command[:2], *options, *command[2:]])
                times[name].append(seconds)
                print(f"{' '.join(options)} {name}: {seconds:.2f} s, {last}", flush=True)
        medians = {name: statistics.median(each) for name, each in times.items()}
        print(f"{options}: {medians}, ratio {medians['registry 2.8.2'] / medians['ours']:.2f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak of the larger of the two: {peak:.0f} MiB")
    if not arguments.filled:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
