"""
How long a manifest takes while a collection runs beside the server, against when none does.

``python -m benchmarks.beside [--filled FOLDER] [--seconds 10] [--rounds 3]``
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from holm_registry.storage import layout

from .collect import fill
from .servers import ours

PLAN = json.dumps({"grace_seconds": 3600.0, "untagged": True})


class Collector(threading.Thread):
    """Collects back to back, as the server's schedule does it, until it is told to end."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._command = [sys.executable, "-m", "holm_registry.gc", "collect", root, PLAN]
        self._ends = threading.Event()
        self.count = 0

    def run(self) -> None:
        """Collect."""
        while not self._ends.is_set():
            process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
            while process.poll() is None and not self._ends.wait(0.05):
                pass
            process.kill()
            process.wait()
            self.count += 1

    def end(self) -> None:
        """End it, wherever it is."""
        self._ends.set()
        self.join()


def latencies(address: str, tags: list[str], seconds: float) -> list[float]:
    """Ask for one manifest after another; give how long each took, in milliseconds."""
    connection = http.client.HTTPConnection(address)
    found = []
    end = time.monotonic() + seconds
    while (begin := time.perf_counter()) and time.monotonic() < end:
        connection.request("GET", f"/v2/{tags[len(found) % len(tags)]}")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise RuntimeError(answer.read())
        answer.read()
        found.append((time.perf_counter() - begin) * 1000)
    connection.close()
    return found


def p99(found: list[float]) -> float:
    """Give what 99 of 100 do not exceed."""
    return statistics.quantiles(found, n=100)[98]


def main() -> None:
    """Fill, measure in turns, print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repositories", type=int, default=3000)
    parser.add_argument("--manifests", type=int, default=25000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--filled", help="folder to fill, or one that is filled")
    arguments = parser.parse_args()
    root = arguments.filled or tempfile.mkdtemp()
    if not Path(root, layout.ROOT).exists():
        fill(root, arguments.repositories, arguments.manifests)
    tags = [
        f"team{number % 40}/app{number % arguments.repositories}/manifests/v0"
        for number in range(100)
    ]
    rows = []
    with ours(Path(root)) as server:
        latencies(server.address, tags, 2.0)
        for _ in range(arguments.rounds):
            idle = latencies(server.address, tags, arguments.seconds)
            collector = Collector(root)
            collector.start()
            busy = latencies(server.address, tags, arguments.seconds)
            collector.end()
            rows.append((p99(idle), p99(busy)))
            print(
                f"idle p50 {statistics.median(idle):.2f} p99 {p99(idle):.2f} ms; collecting "
                f"p50 {statistics.median(busy):.2f} p99 {p99(busy):.2f} ms, {collector.count} runs",
                flush=True,
            )
    idle_p99, busy_p99 = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"medians: idle {idle_p99:.2f} ms, collecting {busy_p99:.2f} ms: {busy_p99 / idle_p99:.2f}"
    )
    if not arguments.filled:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
