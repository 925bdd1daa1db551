from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any, NoReturn

from holm_registry.config.durations import parse_duration
from holm_registry.config.model import Config
from holm_registry.oci.numbers import parse_decimal
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.permissions import is_store


def refuse(*lines: object) -> NoReturn:
    """End with a reason in a line each; exit status 2, as nothing was done."""
    for line in lines:
        print(f"registry: {line}", file=sys.stderr)
    raise SystemExit(2)


def open_store(
    arguments: argparse.Namespace, *, may_be_new: bool = False
) -> tuple[Config, FilesystemDriver]:
    """
    Load a configuration and open its store, saying which; end with a line where that cannot be.

    :param arguments: What :func:`add_file` has added, and perhaps ``quiet``.
    :param may_be_new: Whether nothing need be stored yet.
    """
    from holm_registry.config.load import ConfigInvalid, ConfigOption  # noqa: PLC0415 - quick to help
    from holm_registry.registry_tap import read_configuration  # noqa: PLC0415

    path = ("storage", "filesystem", "rootdirectory")
    options = () if arguments.root is None else (ConfigOption("--root", path, arguments.root),)
    try:
        loaded = read_configuration(arguments.file, os.environ, options)
        config = loaded.require()
    except OSError as problem:
        refuse(f"configuration file {problem.filename}: {problem.strerror}")
    except ConfigInvalid as problem:
        refuse(*problem.errors)
    if config.storage.filesystem is None:
        refuse("storage is in memory: only a running registry knows what is in it")
    root = config.storage.filesystem.rootdirectory.rstrip("/")
    if lacks := _what_lacks(root, may_be_new=may_be_new):
        source = loaded.layers.source_of(path)
        lines = [f"storage.filesystem.rootdirectory: {root!r} {lacks} (from {source})"]
        refuse(*lines, *([] if arguments.root else ["use --root DIR, or name a configuration"]))
    if not getattr(arguments, "quiet", False):
        source = loaded.layers.source_of(())
        origin = "defaults" if source == "default" else source
        print(f"registry: configuration from {origin}, storage in {root}", file=sys.stderr)
    return config, FilesystemDriver(root)


def _what_lacks(root: str, *, may_be_new: bool) -> str:
    """Return what keeps a folder from being a store; nothing if it is one."""
    if not os.path.isdir(root):
        return "is not a directory"
    if may_be_new or is_store(root):
        return ""
    return "holds no store: nothing was pushed yet, or its volume is not mounted"


def duration(text: str) -> float:
    """
    Read an argument such as ``1h``, or ``30d``.

    A number without a unit, which in a configuration counts nanoseconds, is refused.
    """
    if text.startswith("-"):
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is negative; expected a duration such as 30s, 12h or 30d"
        )
    if text != "0" and re.fullmatch(r"[0-9.]+", text):
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} has no unit; expected a duration such as 30s, 12h or 30d"
        )
    days = text.removesuffix("d")
    count = parse_decimal(days, 6)
    if days != text and count is not None:
        return count * 86400.0
    try:
        return parse_duration(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def add_file(parser: argparse.ArgumentParser, run: Any) -> None:
    """Let a command take a configuration file, or a store, and say what runs it."""
    parser.add_argument(
        "--root", metavar="DIR", help="where everything is stored, whatever the configuration says"
    )
    parser.add_argument("file", nargs="?", metavar="CONFIG", help="configuration file")
    parser.set_defaults(run=run)
