"""
What the access log and figures cost: manifests by tag, with each and without, in turns.

``python -m benchmarks.logging [--rounds 5] [--seconds 5]`` (needs wrk)
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from .collect import fill
from .servers import QUIET, ours

_FIGURES = "http: {debug: {addr: '127.0.0.1:0', prometheus: {enabled: true}}}\n"
KINDS = {"neither": QUIET, "access log": "", "figures": f"{QUIET}{_FIGURES}", "both": _FIGURES}


def rate(address: str, seconds: int) -> float:
    """Ask for one manifest as often as can be; give how often that was in a second."""
    url = f"http://{address}/v2/team0/app0/manifests/v0"
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None or "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)
    return float(found[1])


def main() -> None:
    """Measure in turns, print medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        fill(root, 1, 1)
        rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(arguments.rounds):
            for kind, config in KINDS.items():
                with ours(Path(root), config=config, access_log="access.log") as server:
                    rate(server.address, 1)
                    rates[kind].append(rate(server.address, arguments.seconds))
        medians = {kind: statistics.median(found) for kind, found in rates.items()}
        for kind, median in medians.items():
            print(f"{kind}: {median:.0f}/s, {median / medians['neither']:.3f} of neither")


if __name__ == "__main__":
    main()
