"""
What the system says of files, as the errors that a driver promises.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from .directory_removal import NO_SPACE
from .errors import NotFound, StorageFull, StorageUnavailable

#: There is no such file.
MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn what the system says into what the driver promises of an object that should be there."""
    try:
        yield
    except OSError as problem:
        if problem.errno in MISSING:
            raise NotFound(path) from problem
        raise _unavailable(problem) from problem


@contextmanager
def making() -> Iterator[None]:
    """Turn what the system says into what the driver promises of an object that is to be made."""
    try:
        yield
    except OSError as problem:
        raise _unavailable(problem) from problem


def _unavailable(problem: OSError) -> StorageUnavailable:
    if problem.errno == errno.EXDEV:
        # What cannot be renamed into its place cannot come there whole.
        return StorageUnavailable("a part of this repository is on another file system")
    kind = StorageFull if problem.errno in NO_SPACE else StorageUnavailable
    return kind(problem.strerror or str(problem))
