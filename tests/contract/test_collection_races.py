"""
Everything that may happen between any two steps of a collection: a client's push, or its death.

A step is a call to the system that changes the disk or looks at a time. Content is two days old at
the start, so that only what a client does at that moment keeps it.
"""

from __future__ import annotations

import os
import random
import shutil
from contextlib import suppress

import pytest

from holm_registry.content.registry import Registry
from holm_registry.gc.collection import Collection, CollectionOptions
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUnknown, ManifestUnknown
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import descriptor, image, index
from ..stores import KEPT, LOOSE, SIGNATURE, blobs_in, collect, fill, names, pull, push, push_blob

CALLS = ("rename", "link", "rmdir", "unlink", "utime", "stat", "mkdir")
DAY = 86400.0

NEW = image(b"c", [b"garbage"])


class Interposed:
    """Counts the calls of some work, and does something else just before one of them."""

    def __init__(self, monkeypatch, when: int | None, other) -> None:
        self.count = 0
        self._when = when
        self._other = other
        self._is_inside = False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, real):
        def call(*args, **kwargs):
            if not self._is_inside:
                self.count += 1
                if self._when == self.count:
                    self._is_inside = True
                    self._other()
                    self._is_inside = False
            return real(*args, **kwargs)

        return call


class Killed(BaseException):
    """The end of a process."""


class Mortal(Interposed):
    """As if the process ended: from then on no call does anything."""

    def _counted(self, real):
        def call(*args, **kwargs):
            self.count += 1
            if self._when is not None and self.count >= self._when:
                raise Killed
            return real(*args, **kwargs)

        return call


def ensure(registry, name, *blobs):
    """Push the blobs a registry does not know, as a client does before a manifest."""
    for content in blobs:
        try:
            registry.blobs.stat(name, Digest.of(content))
        except BlobUnknown:
            push_blob(registry, name, content)


def push_what_is_there(registry):
    ensure(registry, "a", b"c", b"garbage")
    push(registry, "a", "new", NEW)
    return [("a", "new", NEW)]


def mount_and_push(registry):
    for content in (b"c", b"garbage"):
        try:
            registry.blobs.mount("empty", Digest.of(content), None)
        except BlobUnknown:
            push_blob(registry, "empty", content)
    push(registry, "empty", "new", NEW)
    return [("empty", "new", NEW)]


def upload_again(registry):
    push(registry, "empty", "new", NEW, b"c", b"garbage")
    return [("empty", "new", NEW)]


def tag_what_was_loose(registry):
    ensure(registry, "a", b"c", b"loose")
    push(registry, "a", "new", LOOSE)
    return [("a", "new", LOOSE)]


def put_into_an_index(registry):
    try:
        registry.manifests.get("a", Digest.of(LOOSE))
    except ManifestUnknown:
        ensure(registry, "a", b"c", b"loose")
        push(registry, "a", None, LOOSE)
    push(registry, "a", "new", index([LOOSE]))
    return [("a", "new", index([LOOSE])), ("a", None, LOOSE)]


def look_at_what_is_loose(registry):
    try:
        registry.manifests.get("a", Digest.of(LOOSE))
    except ManifestUnknown:
        return []
    return [("a", None, LOOSE), ("a", None, SIGNATURE)]


def sign_what_is_loose(registry):
    ensure(registry, "a", b"c", b"4")
    signature = image(b"c", [b"4"], subject=descriptor(LOOSE, "a/b"))
    push(registry, "a", None, signature)
    return [("a", None, signature)]


def delete_what_is_loose(registry):
    with suppress(ManifestUnknown):
        registry.manifests.delete("a", Digest.of(LOOSE))


OPERATIONS = [
    push_what_is_there,
    mount_and_push,
    upload_again,
    tag_what_was_loose,
    put_into_an_index,
    look_at_what_is_loose,
    sign_what_is_loose,
    delete_what_is_loose,
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = str(tmp_path_factory.mktemp("store") / "root")
    os.mkdir(root)
    registry = Registry(FilesystemDriver(root))
    fill(registry)
    push(registry, "empty", "v1", LOOSE, b"c", b"loose")
    registry.manifests.delete("empty", Digest.of(LOOSE))
    return root


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nothing here is about power cuts."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def steps(request):
    """Give 0, to count how many steps there are, and then the numbers of steps to try."""
    stride = 1 if request.config.getoption("--stress") else 3

    def numbers(counts):
        yield 0
        yield from range(1 + random.randrange(stride), counts[0] + 1, stride)

    return numbers


def copied(template, root):
    shutil.copytree(template, root)
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            then = os.stat(path).st_mtime - 2 * DAY
            os.utime(path, (then, then))
    return FilesystemDriver(root)


def check(root, pushed):
    """What was accepted can be pulled whole by whoever comes now, and is not garbage."""
    registry = Registry(FilesystemDriver(root))
    pull(registry, "a", "v1")
    for name, reference, payload in pushed or ():
        pull(registry, name, reference or Digest.of(payload))
        pull(registry, name, Digest.of(payload))
    if pushed is None:
        with pytest.raises(ManifestUnknown):
            registry.manifests.get("a", Digest.of(LOOSE))


def whole(root):
    """Every manifest that is there has all its parts, and a kept subject its referrers."""
    driver = FilesystemDriver(root)
    registry = Registry(driver)
    for name in ("a", "empty"):
        for encoded in driver.folders(layout.revisions(name, "sha256")):
            digest = Digest("sha256", encoded)
            try:
                registry.manifests.get(name, digest)
            except ManifestUnknown:
                continue
            pull(registry, name, digest)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_client_comes_between_two_steps_of_a_collection(
    template, tmp_path, monkeypatch, operation, steps
):
    counts = []
    for when in steps(counts):
        root = str(tmp_path / str(when))
        driver = copied(template, root)
        client = Registry(FilesystemDriver(root))
        pushed = []

        def act(client=client, pushed=pushed):
            pushed.append(operation(client))

        with monkeypatch.context() as patch:
            interposed = Interposed(patch, when or None, act)
            collect(driver, untagged=True, grace_seconds=60.0)
            counts.append(interposed.count)
        if pushed:
            check(root, pushed[0])
        whole(root)
        shutil.rmtree(root)
    assert counts[0] > 50


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_collection_comes_between_two_steps_of_a_client(
    template, tmp_path, monkeypatch, operation, steps
):
    counts = []
    for when in steps(counts):
        root = str(tmp_path / str(when))
        driver = copied(template, root)
        with monkeypatch.context() as patch:
            interposed = Interposed(
                patch,
                when or None,
                lambda driver=driver: collect(driver, untagged=True, grace_seconds=60.0),
            )
            pushed = operation(Registry(FilesystemDriver(root)))
            counts.append(interposed.count)
        check(root, pushed)
        whole(root)
        shutil.rmtree(root)
    assert counts[0] > 3


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_collection_dies_while_it_has_out_of_sight_what_is_needed_by_now(
    template, tmp_path, monkeypatch, steps, operation
):
    """A client comes between the marking and the sweep, and then the collection dies."""
    counts = []
    for when in steps(counts):
        root = str(tmp_path / str(when))
        driver = copied(template, root)
        pushed = []
        with monkeypatch.context() as patch:
            mortal = Mortal(patch, None, None)

            def act(what, *_, mortal=mortal, pushed=pushed, when=when, root=root):
                if what == "sweeping links" and not pushed:
                    pushed.append(operation(Registry(FilesystemDriver(root))))
                    mortal.count, mortal._when = 0, when or None

            plan = CollectionOptions(grace_seconds=60.0, untagged=True)
            with suppress(Killed):
                Collection(driver, plan, progress=act).run()
            counts.append(mortal.count)
        check(root, pushed[0])
        whole(root)
        shutil.rmtree(root)
    assert counts[0] > 20


def test_whenever_a_collection_dies_nothing_is_lost_and_the_next_one_ends_it(
    template, tmp_path, monkeypatch, steps
):
    counts = []
    for when in steps(counts):
        root = str(tmp_path / str(when))
        driver = copied(template, root)
        with monkeypatch.context() as patch:
            mortal = Mortal(patch, when or None, None)
            with suppress(Killed):
                collect(driver, untagged=True)
            counts.append(mortal.count)
        # Nothing is recovered yet: whoever misses something has it back.
        check(root, [])
        whole(root)
        for folder, _, files in os.walk(root):
            for name in files:
                os.utime(os.path.join(folder, name), (0, 0))
        result, _ = collect(FilesystemDriver(root), untagged=True)
        assert blobs_in(driver) == names([KEPT])
        assert not result.problems
        assert not driver.objects(layout.STAGING)
        shutil.rmtree(root)
    assert counts[0] > 50
