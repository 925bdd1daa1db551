"""A process that dies at a chosen call to the system."""

from __future__ import annotations

import os

CALLS = (
    *("mkdir", "rename", "replace", "link", "unlink", "rmdir", "fsync", "utime"),
    *("write", "pwrite", "pwritev", "ftruncate"),
)


class Killed(BaseException):
    """The end of a process."""


class Mortal:
    """Counts the calls that change the disk, and from one of them on makes all of them fail."""

    def __init__(self, monkeypatch, deadline: int | None) -> None:
        self.count = 0
        self._deadline = deadline
        for name in CALLS:
            monkeypatch.setattr(os, name, self._limited(getattr(os, name)))

    def _limited(self, real):
        def call(*args, **kwargs):
            self.count += 1
            if self._deadline is not None and self.count > self._deadline:
                raise Killed
            return real(*args, **kwargs)

        return call


def every_death(monkeypatch, live, check):
    """Let something live once to its end, and then die at each of its calls in turn."""
    # What a process wrote outlives it without: only a power cut needs the disk.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    calls, deadline = None, None
    while calls is None or deadline < calls:
        with monkeypatch.context() as patch:
            mortal = Mortal(patch, deadline)
            try:
                live(deadline)
            except Killed:
                pass
            else:
                calls = mortal.count if calls is None else calls
        check(deadline)
        deadline = 0 if deadline is None else deadline + 1
    return calls
