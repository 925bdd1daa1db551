from __future__ import annotations

import errno
import os

from . import layout

#: A name that no file has.
_NO_FILE = ".holm-registry-no-such-file"


def why_unusable(root: str, *, writing: bool) -> str | None:
    """
    Return why a folder cannot be used as a store; None if it can.

    What is at the top of the tree tells for all of it: a volume's folder may be writable for all
    to, while what another server made in it is not.

    :param writing: Whether it is to be written to; it is made then if it is missing.
    """
    tried = root
    try:
        if writing:
            os.makedirs(root, exist_ok=True)
        for tried in (root, *_tops(root)):
            _require_access(tried, writing=writing)
        tried = root
        if writing:
            _require_one_mount(root)
    except OSError as problem:
        return f"cannot use {tried!r}: {problem.strerror}"
    return None


def is_store(root: str) -> bool:
    """Return whether a folder holds a store, also one without repositories."""
    try:
        with os.scandir(f"{root}/{layout.ROOT}") as entries:
            return next(entries, None) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It is reported by what reads the store.
        return True


def _tops(root: str) -> list[str]:
    found = [f"{root}/{path}" for path in (layout.ROOT, layout.REPOSITORIES, layout.BLOBS)]
    return [each for each in found if os.path.isdir(each)]


def _require_access(path: str, *, writing: bool) -> None:
    if not os.access(path, os.R_OK | os.X_OK | (os.W_OK if writing else 0)):
        raise PermissionError(13, f"Permission denied{_owner(path)}")


def _require_one_mount(root: str) -> None:
    """Make sure that pushed files can be renamed into their places."""
    top, *others = _tops(root) or [root]
    for each in others:
        if _is_mounted_apart(each, top):
            place = os.path.relpath(each, root)
            raise OSError(errno.EXDEV, f"{place} is on another file system, where no push can end")


def _is_mounted_apart(folder: str, top: str) -> bool:
    if os.stat(folder).st_dev != os.stat(top).st_dev:
        return True
    try:
        # Linux compares mounts, which may be of one device, before it looks for the file: nothing
        # has to be made to find out.
        os.rename(f"{top}/{_NO_FILE}", f"{folder}/{_NO_FILE}")
    except OSError as problem:
        return problem.errno == errno.EXDEV
    return False


def _owner(path: str) -> str:
    """Return whose something is; nothing where that explains nothing."""
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return ""
    ours = os.getuid()
    return "" if owner == ours else f"; it belongs to user {owner}, and this is user {ours}"
