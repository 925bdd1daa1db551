"""
What a plugin does before its service runs: end with a reason, and have twistd log as it should.
"""

from __future__ import annotations

import ctypes
import gc
import linecache
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, NoReturn

from twisted.python.usage import Options, UsageError

from holm_registry.logs.observer import LOG

#: malloc.h: M_MMAP_THRESHOLD and M_TRIM_THRESHOLD in bytes.
_MALLOPT = ((-3, 512 * 1024), (-1, 1024 * 1024))
_ARENA_MAX = -8


def end(program: str, *lines: object) -> NoReturn:
    """End the process before it serves anything, saying why in a line each."""
    for line in lines:
        # twistd has made the usual name part of its log by the time a port is found taken.
        (sys.__stderr__ or sys.stderr).write(f"{program}: {line}\n")
    raise SystemExit(1)


def give_memory_back(arenas: int = 2) -> None:
    """
    Have the C library give large buffers back at once, where it can be told (glibc).

    By itself it keeps what was freed for later, for each thread anew: what all requests together
    may use would be kept several times over.

    :param arenas: Among how many heaps threads take turns.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in (*_MALLOPT, (_ARENA_MAX, arenas)):
            mallopt(parameter, value)


def give_back_what_loading_took() -> None:
    """Forget what only loading code needed, and have the C library give back what that leaves."""
    # The texts of methods that attrs wrote, for tracebacks alone; and lists of folders' files.
    linecache.clearcache()
    sys.path_importer_cache.clear()
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class PluginOptions(Options):
    """
    Options of a plugin that says in one line what it cannot understand.

    :cvar program: What the line begins with.
    """

    program: ClassVar[str]

    def fail(self, *lines: object) -> NoReturn:
        """End the process before it serves anything, saying why in a line each."""
        end(self.program, *lines)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, and say in one line what cannot be understood."""
        try:
            super().parseOptions(options)
        except UsageError as problem:
            self.fail(problem)

    def parseArgs(self, *rest: str) -> None:
        """Take no arguments."""
        if rest:
            self.fail(f"unexpected argument {rest[0]!r}")

    def configure_logging(
        self, log_level: str, formatter: str = "text", fields: Mapping[str, Any] | None = None
    ) -> None:
        """Have twistd log as it should, and leave no file where it was started."""
        twistd: Any = getattr(self, "parent", None)
        LOG.configure(log_level, formatter, fields)
        if twistd is None:
            return
        if not (twistd.get("logger") or twistd.get("syslog")):
            # A daemon has no standard error; twistd itself would make this file of its log.
            path = twistd.get("logfile") or (None if twistd.get("nodaemon") else "twistd.log")
            LOG.configure(log_level, formatter, fields, None if path == "-" else path)
            twistd["logger"] = "holm_registry.logs.observer.LOG.observer"
        if twistd.get("nodaemon") and twistd.get("pidfile") == "twistd.pid":
            twistd["pidfile"] = ""
