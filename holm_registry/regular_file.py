"""
Open regular files only: never a pipe, a device, a socket or a directory under the same path.

Opening or reading one of those could block for ever.
"""

from __future__ import annotations

import errno
import os
import stat


def require_regular(status: os.stat_result) -> os.stat_result:
    """
    Return a file's status if it is a regular file.

    :raises OSError: It is not: EISDIR for a directory, EINVAL for anything else.
    """
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    return status


def open_regular(path: str, flags: int = os.O_RDONLY) -> int:
    """
    Open a regular file and return its descriptor.

    :raises OSError: It is not a regular file, or cannot be opened.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer. Without O_NOCTTY, a terminal becomes
    # the process's controlling terminal.
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        require_regular(os.fstat(descriptor))
    except OSError as problem:
        os.close(descriptor)
        problem.filename = path
        raise
    return descriptor
