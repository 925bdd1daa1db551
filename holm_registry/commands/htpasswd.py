from __future__ import annotations

import argparse
import getpass
import os
import sys
import tempfile
from typing import Any

from holm_registry.auth.htpasswd import HtpasswdInvalid, hashed, parse_htpasswd, require_name

from .store import refuse


def add_parser(commands: Any) -> None:
    """Add ``registry htpasswd``."""
    parser = commands.add_parser("htpasswd", help="say who can log in: the file of auth.htpasswd")
    verbs = parser.add_subparsers(dest="verb", metavar="add|remove|list", required=True)
    for verb, text in (
        ("add", "add a user, or give one another password: asked for, or from standard input"),
        ("remove", "remove a user"),
        ("list", "list the users"),
    ):
        each = verbs.add_parser(verb, help=text)
        each.add_argument("file", metavar="FILE")
        if verb != "list":
            each.add_argument("name", metavar="NAME")
        each.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Change or list a file of users."""
    try:
        lines = _read(arguments.file, must_exist=arguments.verb != "add")
        if arguments.verb == "list":
            for line in lines:
                if not line.startswith("#"):
                    print(_name(line))
            return 0
        name = require_name(arguments.name)
        left = [line for line in lines if _name(line) != name]
        if arguments.verb == "add":
            left.append(f"{name}:{hashed(_password(name))}")
        elif left == lines:
            refuse(f"{arguments.file}: there is no user {name!r}")
        _write(arguments.file, left)
    except OSError as problem:
        refuse(f"{arguments.file}: {problem.strerror}")
    except HtpasswdInvalid as problem:
        refuse(f"{arguments.file}: {problem}")
    return 0


def _name(line: str) -> str:
    return line.partition(":")[0].strip()


def _read(path: str, *, must_exist: bool) -> list[str]:
    if not must_exist and not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        text = file.read()
    parse_htpasswd(text)
    return [line for line in text.splitlines() if line.strip()]


def _password(name: str) -> bytes:
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline().rstrip(b"\r\n")
    first = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != first:
        raise HtpasswdInvalid("the two passwords differ")
    return first.encode()


def _write(path: str, lines: list[str]) -> None:
    """Write the file whole, or not at all; who may read it stays as it is."""
    try:
        mode = os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mode = 0o600
    folder = os.path.dirname(os.path.abspath(path))
    file, aside = tempfile.mkstemp(dir=folder)
    try:
        os.write(file, "".join(f"{line}\n" for line in lines).encode())
        os.fchmod(file, mode)
        os.fsync(file)
        os.close(file)
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
