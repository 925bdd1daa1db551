"""
What a plugin does before its service runs: end with a reason, and have twistd log as it should.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from twisted.python.usage import Options


def end(program: str, *lines: object) -> NoReturn:
    """End the process before it serves anything, saying why in a line each."""
    for line in lines:
        # twistd has made the usual name part of its log by the time a port is found taken.
        (sys.__stderr__ or sys.stderr).write(f"{program}: {line}\n")
    raise SystemExit(1)


def tell_twistd(options: Options, log_level: str) -> None:
    """Have twistd log as the options say, and leave no file where it was started."""
    twistd: Any = getattr(options, "parent", None)
    if twistd is None:
        return
    if not (twistd.get("logger") or twistd.get("logfile") or twistd.get("syslog")):
        twistd["logger"] = f"holm_registry.logs.TO_STANDARD_ERROR.{log_level}"
    if twistd.get("nodaemon") and twistd.get("pidfile") == "twistd.pid":
        twistd["pidfile"] = ""
