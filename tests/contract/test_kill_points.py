"""The process dies at each call to the system in turn that changes anything on the disk."""

from __future__ import annotations

import os

import pytest

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestUnknown
from holm_registry.oci.paging import Page
from holm_registry.storage import durable
from holm_registry.storage.filesystem import Filesystem

from ..images import descriptor, image

CALLS = ("mkdir", "rename", "unlink", "rmdir", "fsync", "utime", "pwritev")


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


def push_blob(registry, repository, content):
    session = registry.uploads.open(repository, registry.uploads.start(repository))
    session.append([content])
    session.commit(Digest.of(content))
    session.close()


OLD = image(b"config", [b"layer"])
NEW = image(b"config", [b"layer"], annotations={"new": "yes"})
SIGNATURE = image(b"config", [], subject=descriptor(OLD, "a/b"))


def life(registry):
    """Do a bit of everything; tell after each step what was acknowledged by then."""
    state = {"tags": {}, "gone": set(), "manifests": set()}
    yield state
    for content in (b"config", b"layer"):
        push_blob(registry, "team/app", content)
    registry.manifests.put("team/app", "v1", OLD)
    state["tags"]["v1"] = {OLD}
    state["manifests"].add(OLD)
    yield state
    state["tags"]["v1"] = {OLD, NEW}
    registry.manifests.put("team/app", Digest.of(NEW), NEW, tags=["v1", "v2"])
    state["tags"].update(v1={NEW}, v2={NEW})
    state["manifests"].add(NEW)
    yield state
    registry.manifests.put("team/app", Digest.of(SIGNATURE), SIGNATURE)
    state["manifests"].add(SIGNATURE)
    yield state
    del state["tags"]["v2"]
    registry.tags.delete("team/app", "v2")
    state["gone"].add("v2")
    yield state
    del state["tags"]["v1"]
    state["manifests"].discard(NEW)
    registry.manifests.delete("team/app", Digest.of(NEW))
    state["gone"].add("v1")
    yield state
    state["gone"].discard("v1")
    registry.manifests.put("team/app", "v1", OLD)
    state["tags"]["v1"] = {OLD}
    yield state


def live(root, monkeypatch, deadline):
    """Live until the end or the deadline; give what was acknowledged by then, and the calls."""
    state = None
    with monkeypatch.context() as patch:
        mortal = Mortal(patch, deadline)
        try:
            for after in life(Registry(Filesystem(root))):
                state = {
                    "tags": {tag: set(any_of) for tag, any_of in after["tags"].items()},
                    "gone": set(after["gone"]),
                    "manifests": set(after["manifests"]),
                }
                current = after
        except Killed:
            # What the step in progress was about to change may be either.
            state["manifests"] &= current["manifests"]
            for tag in list(state["tags"]):
                if tag in current["tags"]:
                    state["tags"][tag] |= current["tags"][tag]
                else:
                    del state["tags"][tag]
            state["gone"] &= current["gone"]
    return state, mortal.count


def check(root, state):
    registry = Registry(Filesystem(root))
    for payload in state["manifests"]:
        found = registry.manifests.get("team/app", Digest.of(payload))
        assert found.content == payload
    for tag, any_of in state["tags"].items():
        assert registry.manifests.get("team/app", tag).content in any_of
    for tag in state["gone"] - set(state["tags"]):
        with pytest.raises(ManifestUnknown):
            registry.manifests.get("team/app", tag)
    for name in registry.catalog.page(Page(100))[0]:
        for tag in registry.tags.page(name, Page())[0]:
            assert registry.manifests.get(name, tag), "what is listed can be pulled"
    if SIGNATURE in state["manifests"]:
        (referrer,) = registry.referrers.page("team/app", Digest.of(OLD))[0]
        assert referrer.digest == str(Digest.of(SIGNATURE))
    for content in (b"config", b"layer"):
        if state["manifests"]:
            assert registry.blobs.stat("team/app", Digest.of(content)).size_bytes == len(content)
    push_blob(registry, "team/app", b"config")
    push_blob(registry, "team/app", b"layer")
    registry.manifests.put("team/app", "after", OLD)
    assert registry.manifests.get("team/app", "after").content == OLD, "and it can go on"


def test_whenever_the_process_dies_everything_acknowledged_is_there(tmp_path, monkeypatch):
    state, calls = live(str(tmp_path / "whole"), monkeypatch, None)
    check(str(tmp_path / "whole"), state)
    assert calls > 100
    assert durable.os is os, "the calls that are counted are those that are made"
    for deadline in range(calls):
        root = str(tmp_path / str(deadline))
        os.mkdir(root)
        state, _ = live(root, monkeypatch, deadline)
        check(root, state)
