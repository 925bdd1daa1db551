"""
How quick the UI is, and how much memory it takes, beside its budget.

Starts a registry and a UI on this machine, fills the registry with a repository of many tags and
many repositories of few, and browses. Prints a line for each figure. Nothing here fails: machines
differ, and whoever runs it judges.

    python -m benchmarks.ui [--tags 10000] [--repositories 1000] [--filled FOLDER]
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.gallery import Gallery
from tests.integration.servers import Answer, Process, holm, holm_ui

#: What an image of the filling has in common with all others, and in layers of its own.
BASE = [b"base" * 100, b"runtime" * 100, b"libraries" * 100]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tags", type=int, default=10_000)
    parser.add_argument("--repositories", type=int, default=1_000)
    parser.add_argument("--filled", help="a folder that an earlier run has filled")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        holm(Path(options.filled or folder) / "root") as registry,
    ):
        if options.filled is None:
            fill(registry, options.tags, options.repositories)
        cold(registry)
        with holm_ui(registry.address) as ui:
            idle = ui.memory_bytes()
            browse(ui)
            say("memory idle (budget 64 MiB)", f"{idle / 2**20:.0f} MiB")
            say("memory after browsing (budget 160 MiB)", f"{ui.memory_bytes() / 2**20:.0f} MiB")
            say("memory at most", f"{ui.memory_bytes('VmHWM') / 2**20:.0f} MiB")


def fill(registry: Process, tags: int, repositories: int) -> None:
    """Push what is to be browsed."""
    connection = http.client.HTTPConnection(registry.address)

    def request(method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return Answer(response, response.read())

    gallery = Gallery(request)
    start = time.monotonic()
    for number in range(100):
        gallery.multi_platform("hundred/index", f"v{number}", str(number))
        gallery.image("hundred/image", f"v{number}", [*BASE, f"h{number}".encode()])
    for number in range(tags):
        gallery.image("many/tags", f"1.{number // 50}.{number % 50}", [*BASE, b"%d" % number])
    for number in range(repositories):
        for tag in ("v1", "v2"):
            gallery.image(f"team{number % 40}/app{number}", tag, [*BASE, f"{number}{tag}".encode()])
    say("filled in", f"{time.monotonic() - start:.0f} s")


def cold(registry: Process) -> None:
    """Show a hundred tags that nobody has looked at yet; budget 1 s."""
    for repository in ("hundred/image", "hundred/index"):
        times, complete = [], []
        for _ in range(5):
            with holm_ui(registry.address) as ui:
                ui.request("GET", "/health")
                start = time.monotonic()
                body = ui.request("GET", f"/repo/{repository}").body
                times.append(time.monotonic() - start)
                complete.append(b"data-poll" not in body)
        say(f"{repository}, cold (budget 1 s)", f"{statistics.median(times) * 1000:.0f} ms")
        say("  of which complete", f"{sum(complete)} of {len(complete)}")


def browse(ui: Process) -> None:
    """Look at every kind of page, cold and warm."""
    start = time.monotonic()
    while b"data-poll" in (ui.request("GET", "/").body):
        time.sleep(1)
    say("everything read after", f"{time.monotonic() - start:.0f} s")
    for path, budget in (
        ("/repo/hundred/image", "budget p95 50 ms"),
        ("/repo/hundred/index", "budget p95 50 ms"),
        ("/repo/many/tags", "10,000 tags"),
        ("/repo/many/tags?sort=size&page=40", "10,000 tags"),
        ("/repo/many/tags?q=1.1*", "10,000 tags"),
        ("/", "1,000 repositories"),
        ("/?sort=size", "1,000 repositories"),
        ("/search?q=1.150.*", "everything"),
        ("/image/many/tags:1.10.1", "an image"),
        ("/delete?repo=hundred/image&tag=v5", "asking"),
    ):
        warm(ui, path, budget)


def warm(ui: Process, path: str, what: str, rounds: int = 60) -> None:
    """Fetch a page many times."""
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        answer = ui.request("GET", path, Accept_Encoding="gzip")
        times.append((time.monotonic() - start) * 1000)
    times.sort()
    p95 = times[int(len(times) * 0.95) - 1]
    size = f"{len(answer.body) / 1000:.1f} KB gzipped"
    say(f"{path} ({what})", f"median {statistics.median(times):.0f} ms, p95 {p95:.0f} ms, {size}")


def say(what: str, figure: str) -> None:
    """Print a figure."""
    sys.stdout.write(f"{what:60} {figure}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
