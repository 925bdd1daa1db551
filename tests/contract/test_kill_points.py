"""The process dies at each call to the system in turn that changes anything on the disk."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUploadUnknown, ManifestUnknown
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import durable, layout
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import descriptor, image
from ..kill_points import Killed, Mortal


def push_blob(registry, repository, content, began=None):
    """Push a blob; note its upload in a dictionary once its bytes were acknowledged."""
    session_id = registry.uploads.start(repository)
    session = registry.uploads.open(repository, session_id)
    session.append([content])
    if began is not None:
        began[session_id] = (content, session)
    session.commit(Digest.of(content))
    session.close()
    if began is not None:
        del began[session_id]


OLD = image(b"config", [b"layer"])
NEW = image(b"config", [b"layer"], annotations={"new": "yes"})
SIGNATURE = image(b"config", [], subject=descriptor(OLD, "a/b"))
SECOND = image(b"config", [], subject=descriptor(OLD, "a/b"), annotations={"of": "another"})


def life(registry):
    """Do a bit of everything; tell after each step what was acknowledged by then."""
    state = {"tags": {}, "gone": set(), "manifests": set(), "uploads": {}}
    yield state
    for content in (b"config", b"layer"):
        push_blob(registry, "team/app", content, state["uploads"])
    registry.blobs.mount("team/other", Digest.of(b"layer"), "team/app")
    push_blob(registry, "team/other", b"config", state["uploads"])
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
    registry.manifests.put("team/app", Digest.of(SECOND), SECOND)
    yield state
    registry.manifests.delete("team/app", Digest.of(SECOND))
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
            for after in life(Registry(FilesystemDriver(root))):
                state = {
                    "tags": {tag: set(any_of) for tag, any_of in after["tags"].items()},
                    "gone": set(after["gone"]),
                    "manifests": set(after["manifests"]),
                    "uploads": after["uploads"],
                }
                current = after
        except Killed:
            for _, session in current["uploads"].values():
                # Its locks end with a process.
                session.close()
            # What the step in progress was about to change may be either.
            state["manifests"] &= current["manifests"]
            for tag in list(state["tags"]):
                if tag in current["tags"]:
                    state["tags"][tag] |= current["tags"][tag]
                else:
                    del state["tags"][tag]
            state["gone"] &= current["gone"]
    return state, mortal.count


def check_referrers(registry, state):
    """A referrer is listed if, and only if, it is here."""
    here = {SIGNATURE} if SIGNATURE in state["manifests"] else set()
    for payload in (SIGNATURE, SECOND):
        with suppress(ManifestUnknown):
            registry.manifests.get("team/app", Digest.of(payload))
            here.add(payload)
    listed = {each.digest for each in registry.referrers.page("team/app", Digest.of(OLD))[0]}
    assert listed == {str(Digest.of(payload)) for payload in here}


def check_uploads(registry, uploads):
    """The last request of an upload, sent again, ends it; or it has ended, and its blob is here."""
    for session_id, (content, _) in uploads.items():
        for repository in ("team/app", "team/other"):
            digest = Digest.of(content)
            folder = f"{registry.uploads._driver._root}/{layout.upload(repository, session_id)}"
            was_here = os.path.exists(folder)
            try:
                assert registry.uploads.finish(repository, session_id, digest) == len(content)
            except BlobUploadUnknown:
                if not was_here:
                    # It is an upload to the other repository.
                    continue
            assert registry.blobs.stat(repository, digest).size_bytes == len(content)


def check(root, state):
    registry = Registry(FilesystemDriver(root))
    check_uploads(registry, state["uploads"])
    for payload in state["manifests"]:
        found = registry.manifests.get("team/app", Digest.of(payload))
        assert found.content == payload
    for tag, any_of in state["tags"].items():
        assert registry.manifests.get("team/app", tag).content in any_of
    for tag in state["gone"] - set(state["tags"]):
        with pytest.raises(ManifestUnknown):
            registry.manifests.get("team/app", tag)
    for name in registry.catalog.page(PageRequest(100))[0]:
        for tag in registry.tags.page(name, PageRequest())[0]:
            assert registry.manifests.get(name, tag), "what is listed can be pulled"
    check_referrers(registry, state)
    for content in (b"config", b"layer"):
        if state["manifests"]:
            assert registry.blobs.stat("team/app", Digest.of(content)).size_bytes == len(content)
    push_blob(registry, "team/app", b"config")
    push_blob(registry, "team/app", b"layer")
    registry.manifests.put("team/app", "after", OLD)
    assert registry.manifests.get("team/app", "after").content == OLD, "and it can go on"


def test_whenever_the_process_dies_everything_acknowledged_is_there(tmp_path, monkeypatch):
    # What a process wrote outlives it without: only a power cut needs the disk.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    state, calls = live(str(tmp_path / "whole"), monkeypatch, None)
    check(str(tmp_path / "whole"), state)
    assert calls > 100
    assert durable.os is os, "the calls that are counted are those that are made"
    for deadline in range(calls):
        root = str(tmp_path / str(deadline))
        os.mkdir(root)
        state, _ = live(root, monkeypatch, deadline)
        check(root, state)
