from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import msgspec

from holm_registry.oci.sizes import format_size
from holm_registry.storage.errors import AlreadyLocked, StorageError
from holm_registry.verify.problems import ReportedProblem
from holm_registry.verify.verification import Verification, VerificationOptions, VerificationReport

from .store import add_file, open_store, refuse
from .terminal import ProgressBar

#: A base layer may be part of everything: so many images tell that.
_MAX_IMAGES = 20


def add_parser(commands: Any) -> None:
    """Add ``registry verify``."""
    parser = commands.add_parser(
        "verify",
        help="read everything again and tell what is damaged; the registry may go on serving",
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="move damaged bytes aside, and write links that can be rebuilt; deletes nothing",
    )
    parser.add_argument(
        "--restart", action="store_true", help="start again instead of resuming an interrupted run"
    )
    parser.add_argument(
        "--max-mb-per-second",
        type=_rate,
        metavar="N",
        help="how much to read in a second, in units of 1,000,000 bytes",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_file(parser, run)


def run(arguments: argparse.Namespace) -> int:
    """Verify; 0 if all is sound, or was made so, 1 if damage remains."""
    from holm_registry.server.content import build_validation  # noqa: PLC0415 - quick to say --help

    config, driver = open_store(arguments)
    rate = arguments.max_mb_per_second
    scope = VerificationOptions(
        repair=arguments.repair,
        restart=arguments.restart,
        bytes_per_second=None if rate is None else rate * 1_000_000,
        validation=build_validation(config.validation),
    )
    bar = ProgressBar(sys.stderr)
    try:
        report = Verification(driver, scope, bar.show).run()
    except AlreadyLocked:
        refuse("another verification is running on this store")
    except StorageError as problem:
        refuse(problem)
    except KeyboardInterrupt:
        refuse("interrupted; the next run goes on there")
    finally:
        bar.clear()
    print(msgspec.json.encode(report).decode() if arguments.json else _text(report))
    return 0 if report.is_sound else 1


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text[:20]!r}")
    return rate


def _text(report: VerificationReport) -> str:
    lines = [line for finding in report.findings for line in _lines(finding)]
    damaged = len(report.findings)
    repaired = sum(finding.repaired for finding in report.findings)
    skipped = f", {format_size(report.skipped_bytes)} of it by an earlier run"
    lines.append(
        f"{report.blobs} blobs ({format_size(report.bytes)}"
        f"{skipped if report.skipped_bytes else ''}) "
        f"and {report.manifests} manifests in {report.repositories} repositories: "
        + (f"{damaged} damaged, {repaired} repaired" if damaged else "all sound")
    )
    return "\n".join(lines)


def _lines(finding: ReportedProblem) -> list[str]:
    lines = [f"{finding.where}: {finding.problem}"]
    lines += [f"  affects {image}" for image in finding.images[:_MAX_IMAGES]]
    left = len(finding.images) - _MAX_IMAGES
    if left > 0:
        lines.append(f"  affects {left} more; --json names all")
    if finding.repaired:
        lines.append("  repaired")
    elif finding.remedy:
        lines.append(f"  {finding.remedy}")
    return lines
