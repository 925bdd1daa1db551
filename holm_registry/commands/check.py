from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from .store import refuse


def add_parser(commands: Any) -> None:
    """Add ``registry check``."""
    parser = commands.add_parser(
        "check",
        help="print the effective configuration, and all that is wrong with it; "
        "or who may do what, and by which rule",
    )
    parser.add_argument("--as", dest="user", metavar="USER", help="'' = anonymous")
    parser.add_argument("--repository", metavar="NAME")
    parser.add_argument("--action", choices=("pull", "push", "delete"))
    parser.add_argument("file", nargs="?", metavar="CONFIG", help="configuration file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check; 0 if nothing is wrong, or the user may do it."""
    from holm_registry.registry_tap import read_configuration  # noqa: PLC0415

    try:
        loaded = read_configuration(arguments.file, os.environ)
    except OSError as problem:
        print(f"registry: {problem.filename}: {problem.strerror}", file=sys.stderr)
        return 1
    if arguments.user is not None:
        return _explain(loaded, arguments)
    return _show(loaded)


def _show(loaded: Any) -> int:
    from holm_registry.config.show import format_config  # noqa: PLC0415

    # Of a file that cannot be read, defaults would say nothing.
    if loaded.layers.is_file_valid:
        print(format_config(loaded), end="")
    for warning in loaded.layers.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for error in loaded.layers.errors:
        print(f"error: {error}", file=sys.stderr)
    return 1 if loaded.layers.errors else 0


def _explain(loaded: Any, arguments: argparse.Namespace) -> int:
    from holm_registry.config.load import ConfigInvalid  # noqa: PLC0415
    from holm_registry.server.auth import build_rules, is_auth_enabled  # noqa: PLC0415

    if arguments.repository is None or arguments.action is None:
        refuse("--as needs --repository and --action")
    try:
        config = loaded.require()
    except ConfigInvalid as problem:
        refuse(*problem.errors)
    if not is_auth_enabled(config):
        print("allowed: there are no logins and no rules")
        return 0
    decision = build_rules(config).decide(arguments.user, arguments.repository, arguments.action)
    rules = "; ".join(map(str, decision.rules))
    without = "no rule matches"
    if config.access is None:
        without = "without rules, every user who has logged in may do everything"
    print(f"{'allowed' if decision.allowed else 'denied'}: {rules or without}")
    return 0 if decision.allowed else 1
