from __future__ import annotations

import argparse
import os
import sys
from typing import Any, NoReturn

from holm_registry.config.durations import parse_duration
from holm_registry.config.model import Config
from holm_registry.oci.numbers import parse_decimal
from holm_registry.storage.filesystem import Filesystem


def refuse(*lines: object) -> NoReturn:
    """End with a reason in a line each; exit status 2, as nothing was done."""
    for line in lines:
        print(f"registry: {line}", file=sys.stderr)
    raise SystemExit(2)


def open_store(path: str | None) -> tuple[Config, Filesystem]:
    """Load a configuration and open its store; end with a line where that cannot be."""
    from holm_registry.config.load import ConfigInvalid  # noqa: PLC0415 - quick to say --help
    from holm_registry.registry_tap import read_configuration  # noqa: PLC0415

    try:
        config = read_configuration(path, os.environ).require()
    except OSError as problem:
        refuse(f"configuration file {problem.filename}: {problem.strerror}")
    except ConfigInvalid as problem:
        refuse(*problem.complaints)
    if config.storage.filesystem is None:
        refuse("storage is in memory: only a running registry knows what is in it")
    root = config.storage.filesystem.rootdirectory.rstrip("/")
    if not os.path.isdir(root):
        refuse(f"storage.filesystem.rootdirectory: {root!r} is no folder")
    return config, Filesystem(root)


def duration(text: str) -> float:
    """Read an argument such as ``1h``, or ``30d``."""
    days = text.removesuffix("d")
    count = parse_decimal(days, 6)
    if days != text and count is not None:
        return count * 86400.0
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def add_file(parser: argparse.ArgumentParser, run: Any) -> None:
    """Let a command take a configuration file, and say what runs it."""
    parser.add_argument("file", nargs="?", metavar="CONFIG", help="configuration file")
    parser.set_defaults(run=run)
