"""
Opening files where something else may lie: a pipe, a device, a socket, a folder.

None of these is ever waited for, nor read.
"""

from __future__ import annotations

import errno
import os
import stat


def require_regular(found: os.stat_result) -> os.stat_result:
    """
    Make sure that something is a regular file.

    :raises OSError: It is something else.
    """
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    return found


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """
    Open a regular file.

    :raises OSError: It is something else, or cannot be opened.
    """
    # A pipe would keep us until somebody writes to it; a terminal would become ours.
    file = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        require_regular(os.fstat(file))
    except OSError as problem:
        os.close(file)
        problem.filename = path
        raise
    return file
