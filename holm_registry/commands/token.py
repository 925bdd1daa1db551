from __future__ import annotations

import argparse
import sys
import time
import uuid
from typing import Any

from msgspec.structs import replace

from holm_registry.auth.identity import ACTIONS, PULL, PUSH
from holm_registry.auth.robots import RobotAccounts, RobotInvalid
from holm_registry.auth.rules import RepositoryPattern, RuleScope
from holm_registry.config.model import RobotAccountsSection

from .store import add_file, duration, open_store, refuse


def add_parser(commands: Any) -> None:
    """Add ``registry token``."""
    parser = commands.add_parser("token", help="keys for programs: robots that can log in")
    verbs = parser.add_subparsers(dest="verb", metavar="create|list|revoke", required=True)
    create = verbs.add_parser(
        "create", help="make a robot, and print its key: the password of this name, shown once"
    )
    create.add_argument("--name", help="what it logs in as; without, a name is made up")
    create.add_argument(
        "--repository",
        action="append",
        required=True,
        metavar="PATTERN",
        help="where it may do that: * is any text, slashes included; may be given several times",
    )
    create.add_argument(
        "--actions", type=_actions, default=frozenset({PULL}), metavar="pull,push,delete"
    )
    create.add_argument("--expires", type=_lifetime, metavar="30d", help="without: never")
    add_file(create, _create)
    add_file(verbs.add_parser("list", help="list the robots, and what each may do"), _list)
    revoke = verbs.add_parser("revoke", help="end a robot, at once")
    revoke.add_argument("name", metavar="NAME")
    add_file(revoke, _revoke)


def _actions(text: str) -> frozenset[str]:
    actions = frozenset(text.split(","))
    if not actions <= frozenset(ACTIONS):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(ACTIONS)}")
    # Every client that pushes first checks what exists.
    return actions | {PULL} if PUSH in actions else actions


def _lifetime(text: str) -> float:
    seconds = duration(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} expires at once; expected a duration such as 12h or 30d"
        )
    return seconds


def _create(arguments: argparse.Namespace) -> int:
    name = arguments.name or f"robot-{uuid.uuid4().hex[:8]}"
    scope = RuleScope(tuple(map(RepositoryPattern, arguments.repository)), arguments.actions)
    robots = _robots(arguments)
    try:
        key = robots.create(name, scope, arguments.expires)
        # With what is wrong with it, should something be: it must not be believed to work.
        ends = _ends(robots.get(name))
    except RobotInvalid as problem:
        refuse(problem)
    except OSError as problem:
        refuse(f"{problem.filename}: {problem.strerror}")
    print(f"{name} may {scope}{ends}; its password:", file=sys.stderr)
    print(key)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    try:
        for robot in _robots(arguments).list_all():
            print(f"{robot.name} may {robot.scope}{_ends(robot)}")
    except (OSError, RobotInvalid) as problem:
        refuse(problem)
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    try:
        _robots(arguments).revoke(arguments.name)
    except RobotInvalid as problem:
        refuse(problem)
    except OSError as problem:
        refuse(f"{problem.filename}: {problem.strerror}")
    print(f"revoked {arguments.name}: its key is no longer accepted")
    return 0


def _ends(robot: Any) -> str:
    if robot is None or robot.expires is None:
        return ""
    verb = "until" if robot.expires > time.time() else "and ended"
    return time.strftime(f", {verb} %Y-%m-%d %H:%M UTC", time.gmtime(robot.expires))


def _robots(arguments: argparse.Namespace) -> RobotAccounts:
    from holm_registry.server.auth import build_robots  # noqa: PLC0415 - quick to say --help

    config, _ = open_store(arguments, may_be_new=True)
    robots = build_robots(config)
    if robots is not None:
        return robots
    without = "no robot can log in without auth.htpasswd or auth.robots"
    if arguments.root is None:
        refuse(without, "name the configuration that the registry runs with, or use --root DIR")
    # The store was named, and not its configuration, which may have either.
    print(f"registry: {without} in the registry's configuration", file=sys.stderr)
    robots = build_robots(replace(config, auth=replace(config.auth, robots=RobotAccountsSection())))
    assert robots is not None, "there is a store, and robots may log in"  # noqa: S101
    return robots
