"""
What both twistd plugins do before their service starts: options, logging, memory settings.
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

#: M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h, in bytes.
_MALLOPT = ((-3, 512 * 1024), (-1, 1024 * 1024))
_ARENA_MAX = -8


def exit_with_error(program: str, *lines: object) -> NoReturn:
    """End the process with status 1; write each line to standard error."""
    for line in lines:
        # Not sys.stderr, which twistd has redirected into its log when a port is in use.
        (sys.__stderr__ or sys.stderr).write(f"{program}: {line}\n")
    raise SystemExit(1)


def configure_malloc(arenas: int = 2) -> None:
    """
    Let the C library return large buffers to the system as soon as they are freed (glibc only).

    By default each thread's arena keeps freed memory: the process would keep several times the
    memory budget of all requests.

    :param arenas: The number of arenas that all threads share.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in (*_MALLOPT, (_ARENA_MAX, arenas)):
            mallopt(parameter, value)


def release_import_memory() -> None:
    """Free memory that only imports needed, and return it to the system."""
    # The source of methods that attrs has generated, for tracebacks; and directory listings.
    linecache.clearcache()
    sys.path_importer_cache.clear()
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class PluginOptions(Options):
    """
    Options of a plugin that reports a bad option in one line.

    :cvar program: The start of that line.
    """

    program: ClassVar[str]

    def fail(self, *lines: object) -> NoReturn:
        """End the process with status 1; write each line to standard error."""
        exit_with_error(self.program, *lines)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the options, or end with a line that names the bad one."""
        try:
            super().parseOptions(options)
        except UsageError as problem:
            self.fail(problem)

    def parseArgs(self, *rest: str) -> None:
        """Refuse arguments: there are only options."""
        if rest:
            self.fail(f"unexpected argument {rest[0]!r}")

    def configure_logging(
        self, log_level: str, formatter: str = "text", fields: Mapping[str, Any] | None = None
    ) -> None:
        """Set twistd's log, and keep it from writing a pid file into the working directory."""
        twistd: Any = getattr(self, "parent", None)
        LOG.configure(log_level, formatter, fields)
        if twistd is None:
            return
        if not (twistd.get("logger") or twistd.get("syslog")):
            # A daemon has no standard error: it logs to twistd's default file.
            path = twistd.get("logfile") or (None if twistd.get("nodaemon") else "twistd.log")
            LOG.configure(log_level, formatter, fields, None if path == "-" else path)
            twistd["logger"] = "holm_registry.logs.observer.LOG.observer"
        if twistd.get("nodaemon") and twistd.get("pidfile") == "twistd.pid":
            twistd["pidfile"] = ""
