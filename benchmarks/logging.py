"""
What the access log and figures cost: manifests by tag, with each and without, in turns.

``python -m benchmarks.logging [--rounds 5] [--seconds 5]`` (needs wrk)
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from .collect import fill

_FIGURES = "http: {debug: {addr: '127.0.0.1:0', prometheus: {enabled: true}}}\n"
_QUIET = "log: {accesslog: {disabled: true}}\n"
KINDS = {"neither": _QUIET, "access log": "", "figures": f"{_QUIET}{_FIGURES}", "both": _FIGURES}


def serve(root: str, config: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server; give it and its address."""
    file = Path(root, "logging.yml")
    file.write_text(f"version: 0.1\n{config}")
    command = [str(Path(sys.executable).parent / "twistd"), "--nodaemon", "--pidfile="]
    command += ["holm-registry", "--config", str(file), "--root", root]
    command += ["--listen", "tcp:0:interface=127.0.0.1"]
    with Path(root, "access.log").open("ab") as log:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=log, text=True)
    for line in process.stderr or ():
        if "storage in" in line and "listening on " in line:
            threading.Thread(target=(process.stderr or sys.stdin).read, daemon=True).start()
            return process, line.rsplit(" ", 1)[1].strip()
    raise RuntimeError("it did not start")


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
                process, address = serve(root, config)
                rate(address, 1)
                rates[kind].append(rate(address, arguments.seconds))
                process.terminate()
                process.wait()
        medians = {kind: statistics.median(found) for kind, found in rates.items()}
        for kind, median in medians.items():
            print(f"{kind}: {median:.0f}/s, {median / medians['neither']:.3f} of neither")


if __name__ == "__main__":
    main()
