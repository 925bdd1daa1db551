"""
Measure this registry beside others: ``make bench``, or ``python -m benchmarks``.

Each workload is run in turns, on servers that were just started, with clients that are processes of
their own. Nothing here fails for being slow: whoever runs it judges.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from .report import US, Results, as_json, chart, machine, table
from .servers import Server
from .stage import SMOKE, Sizes, Stage
from .workloads import WORKLOADS, Start, Workload, starter


def main() -> None:
    """Measure, print a table, write what is asked for."""
    arguments = _arguments()
    chosen = [each for each in WORKLOADS if not arguments.only or arguments.only in each.name]
    if not chosen:
        names = ", ".join(each.name for each in WORKLOADS)
        sys.exit(f"there is no workload {arguments.only!r}; there are {names}")
    results = Results(arguments.rounds)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        stage = Stage(Path(folder), SMOKE if arguments.smoke else Sizes())
        tls = _certificate(Path(folder))
        for workload in chosen:
            _measure(results, workload, stage, arguments, tls)
        _tell(results, chosen, arguments)


def _tell(results: Results, chosen: list[Workload], arguments: argparse.Namespace) -> None:
    print(machine())
    print(table(results, chosen), flush=True)
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    _write(arguments.json, as_json(results, command))
    _write(arguments.chart, chart(results, chosen))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="WORKLOAD", help="those whose name holds this"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", metavar="URL", help="any other registry, instead of 2.8.2")
    parser.add_argument("--folder", help="where to write: on the disk that is to be measured")
    parser.add_argument("--json", metavar="FILE", help="where to write every value")
    parser.add_argument("--chart", metavar="FILE", help="where to write a chart (SVG)")
    parser.add_argument("--smoke", action="store_true", help="all workloads, as small as can be")
    return parser.parse_args()


def _measure(
    results: Results, workload: Workload, stage: Stage, arguments: argparse.Namespace, tls: str
) -> None:
    others = list(workload.others)
    if arguments.against:
        # What is written into a folder beforehand is not there.
        others = [arguments.against] if workload.name.startswith("push") else []
    for number in range(arguments.rounds):
        for name in (US, *others):
            start = starter(name, tls if workload.name == "pull TLS" else "")
            if name == arguments.against:
                start = _elsewhere(name)
            print(f"{workload.name}, round {number + 1}: {name}", file=sys.stderr, flush=True)
            results.add(workload.name, name, workload.run(stage, name, start))


def _elsewhere(url: str) -> Start:
    return lambda _root: Server(url)


def _certificate(folder: Path) -> str:
    """Make a certificate for 127.0.0.1; give what its files begin with."""
    name = str(folder / "tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    return name


def _write(path: str | None, text: str) -> None:
    if path is not None:
        Path(path).write_text(text)


if __name__ == "__main__":
    main()
