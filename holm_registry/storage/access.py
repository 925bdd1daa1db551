from __future__ import annotations

import os

from . import layout


def why_unusable(root: str, *, writing: bool) -> str | None:
    """
    Say why a folder cannot be used as a store; None if it can.

    What is at the top of the tree tells for all of it: a volume's folder may be anybody's to write
    to, while what another server made in it is not.

    :param writing: Whether it is to be written to; it is made then if it is missing.
    """
    tried = root
    try:
        if writing:
            os.makedirs(root, exist_ok=True)
        for tried in (root, *_tops(root)):
            if not os.access(tried, os.R_OK | os.X_OK | (os.W_OK if writing else 0)):
                raise PermissionError(13, f"Permission denied{_owner(tried)}")
    except OSError as problem:
        return f"cannot use {tried!r}: {problem.strerror}"
    return None


def _tops(root: str) -> list[str]:
    found = [f"{root}/{path}" for path in (layout.ROOT, layout.REPOSITORIES, layout.BLOBS)]
    return [each for each in found if os.path.isdir(each)]


def _owner(path: str) -> str:
    """Say whose something is; nothing where that explains nothing."""
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return ""
    ours = os.getuid()
    return "" if owner == ours else f"; it belongs to user {owner}, and this is user {ours}"
