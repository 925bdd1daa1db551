from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from holm_registry.atomic_file import replace_file
from holm_registry.auth.htpasswd import (
    HtpasswdInvalid,
    hash_password,
    parse_htpasswd,
    require_user_name,
)
from holm_registry.file_lock import Busy, open_locked

from .store import refuse

#: How long to wait for another command that changes the same file.
_WAIT_SECONDS = 5.0


def add_parser(commands: Any) -> None:
    """Add ``registry htpasswd``."""
    parser = commands.add_parser("htpasswd", help="say who can log in: the file of auth.htpasswd")
    verbs = parser.add_subparsers(dest="verb", metavar="add|remove|list", required=True)
    for verb, text in (
        ("add", "add a user; the password is asked for, or read from standard input"),
        ("remove", "remove a user"),
        ("list", "list the users"),
    ):
        each = verbs.add_parser(verb, help=text)
        each.add_argument("file", metavar="FILE")
        if verb != "list":
            each.add_argument("name", metavar="NAME")
        if verb == "add":
            each.add_argument(
                "--replace", action="store_true", help="give a user that exists another password"
            )
        each.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Change or list a file of users."""
    try:
        lines = _run(arguments)
    except Busy:
        refuse(f"{arguments.file}: another command is changing it")
    except OSError as problem:
        refuse(f"{arguments.file}: {problem.strerror}")
    except HtpasswdInvalid as problem:
        refuse(f"{arguments.file}: {problem}")
    # What cannot be printed is no fault of the file.
    for line in lines:
        print(line)
    return 0


def _run(arguments: argparse.Namespace) -> list[str]:
    """Do what was asked for; return what to print."""
    if arguments.verb == "list":
        return [_name(line) for line in _read(arguments.file) if not line.startswith("#")]
    name = require_user_name(arguments.name)
    return [(_add if arguments.verb == "add" else _remove)(arguments, name)]


def _add(arguments: argparse.Namespace, name: str) -> str:
    """Add a user, or replace their password where that is wanted; tell what was done."""
    path = arguments.file
    # What takes long, or fails, comes before the file is made and locked.
    may_replace = arguments.replace or (_has(path, name) and _may_replace(path, name))
    line = f"{name}:{hash_password(_password(name))}"
    with _locked(path, create=True):
        lines = _read(path)
        left = [each for each in lines if _name(each) != name]
        if left != lines and not may_replace:
            _refuse_to_replace(path, name)
        _write(path, [*left, line])
    if left != lines:
        return f"replaced the password of {name} in {path}"
    return f"added {name} to {path}"


def _remove(arguments: argparse.Namespace, name: str) -> str:
    """Remove a user; tell what was done."""
    with _locked(arguments.file, create=False):
        lines = _read(arguments.file)
        left = [line for line in lines if _name(line) != name]
        if left == lines:
            refuse(f"{arguments.file}: there is no user {name!r}")
        _write(arguments.file, left)
    return f"removed {name} from {arguments.file}"


def _has(path: str, name: str) -> bool:
    return os.path.exists(path) and any(_name(line) == name for line in _read(path))


def _may_replace(path: str, name: str) -> bool:
    """Ask whether to replace a password, if standard input is a terminal."""
    if sys.stdin.isatty() and input(f"{name} exists. Replace the password? [y/N] ") in ("y", "Y"):
        return True
    return _refuse_to_replace(path, name)


def _refuse_to_replace(path: str, name: str) -> NoReturn:
    refuse(f"{path}: {name} exists; use --replace to give that user another password")


@contextmanager
def _locked(path: str, *, create: bool) -> Iterator[None]:
    """
    Keep other commands out, so that of two that add a user at once neither loses the other's.

    :param create: Whether to make the file if it is missing.
    :raises Busy: Another command stays in.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    file = open_locked(path, flags, 0o600, wait_seconds=_WAIT_SECONDS)
    try:
        yield
    finally:
        os.close(file)


def _name(line: str) -> str:
    return line.partition(":")[0].strip()


def _read(path: str) -> list[str]:
    with open(path, encoding="utf-8-sig") as file:
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
    mode = os.stat(path).st_mode & 0o777
    # Durably: a power cut must not bring back a password that was replaced.
    replace_file(path, "".join(f"{line}\n" for line in lines).encode(), mode)
