"""
The ``registry`` command, with registry:2's subcommands, and the ``holm-ui`` command.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import __version__
from .commands import check, garbage_collect, htpasswd, stats, token, verify

#: The exit statuses of a shell for programs that SIGPIPE or SIGINT has ended.
_BROKEN_PIPE = 128 + signal.SIGPIPE
_INTERRUPTED = 128 + signal.SIGINT

#: A value, and no option: no option begins with a digit.
_NEGATIVE = re.compile(r"-[0-9.]")


def build_parser() -> tuple[argparse.ArgumentParser, Sequence[str]]:
    """Return the parser of the arguments, and the names of the commands."""
    parser = argparse.ArgumentParser(prog="registry", description="A container registry.")
    parser.add_argument("-v", "--version", action="version", version=f"holm-registry {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    serve = commands.add_parser("serve", help="serve a registry")
    serve.set_defaults(run=_serve)
    serve.add_argument("file", nargs="?", metavar="CONFIG", help="configuration file")
    check.add_parser(commands)
    garbage_collect.add_parser(commands)
    stats.add_parser(commands)
    verify.add_parser(commands)
    htpasswd.add_parser(commands)
    token.add_parser(commands)
    commands.add_parser("help", help="print this help").set_defaults(run=None)
    return parser, tuple(commands.choices)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    try:
        try:
            return _command(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has closed the pipe, as `head` does.
        _silence(1, 2)
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        print("registry: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except OSError as problem:
        if problem.filename is not None or problem.errno not in (errno.ENOSPC, errno.EIO):
            raise
        _silence(1)
        print(f"registry: standard output: {problem.strerror}", file=sys.stderr)
        return 1


def _silence(*descriptors: int) -> None:
    """Discard buffered output, so that Python reports no further error when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(null, descriptor)


def _command(arguments: list[str] | None) -> int:
    parser, _ = build_parser()
    parsed = parser.parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    if parsed.run is None:
        parser.print_help()
        return 0
    status: int = parsed.run(parsed)
    return status


def _joined(words: Sequence[str]) -> list[str]:
    """Have ``--grace -5h`` read as ``--grace=-5h``: argparse takes it for an option without one."""
    joined: list[str] = []
    for word in words:
        last = joined[-1] if joined else ""
        if _NEGATIVE.match(word) and last.startswith("--") and last != "--" and "=" not in last:
            joined[-1] = f"{last}={word}"
        else:
            joined.append(word)
    return joined


def ui(arguments: list[str] | None = None) -> int:
    """Serve the UI, as ``twistd holm-ui`` does; return the exit status."""
    from .ui_tap import Options, makeService  # noqa: PLC0415 - the registry does not need the UI

    options = Options()
    options.parseOptions(sys.argv[1:] if arguments is None else arguments)
    return _run(options, makeService)


def _serve(arguments: argparse.Namespace) -> int:
    from .registry_tap import Options, makeService  # noqa: PLC0415 - most commands use no Twisted

    options = Options()
    options.parseOptions(["--config", arguments.file] if arguments.file else [])
    return _run(options, makeService)


def _run(options: Any, make_service: Callable[[Any, Any], Any]) -> int:
    """Run a service in the foreground until a signal ends it."""
    from twisted.internet import reactor  # noqa: PLC0415
    from twisted.logger import globalLogBeginner  # noqa: PLC0415

    from .logs.observer import LOG  # noqa: PLC0415

    service = make_service(options, reactor)
    globalLogBeginner.beginLoggingTo([LOG.observer()], redirectStandardIO=False)
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    return 0
