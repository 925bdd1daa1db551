"""Anything in any order: what was accepted can be pulled, and in the end nothing else is left."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUnknown, ManifestUnknown
from holm_registry.oci.references import references_in
from holm_registry.storage import layout
from holm_registry.storage.memory import MemoryDriver

from ..images import descriptor, image, index
from ..stores import LONG, blobs_in, collect, names, pull, push_blob


class Killed(BaseException):
    """The end of a process."""


class Mortal(MemoryDriver):
    """A store that ends whoever uses it after a number of calls."""

    calls_left: int | None = None

    def _count(self):
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                raise Killed


def _counting(name):
    real = getattr(MemoryDriver, name)

    def call(self, *args, **kwargs):
        self._count()
        return real(self, *args, **kwargs)

    return call


for _name in ("put", "delete", "delete_folder", "refresh", "stat", "read", "folders", "sweep"):
    setattr(Mortal, _name, _counting(_name))

REPOSITORIES = st.sampled_from(["a", "a/b", "c"])
TAGS = st.sampled_from(["v1", "v2"])
LAYERS = st.lists(st.sampled_from([b"1", b"2", b"3"]), max_size=2, unique=True)
CALLS = st.integers(0, 60)


class Life(RuleBasedStateMachine):
    """What clients and collections do to a registry, and what must hold after each."""

    @initialize()
    def begin(self):
        self.driver = Mortal()
        self.registry = Registry(self.driver)
        self.tags: dict[tuple[str, str], set[bytes | None]] = {}
        self.held: dict[str, set[bytes]] = {}
        self.payloads: dict[str, bytes] = {}

    def wait(self, seconds):
        for objects in (self.driver._objects, self.driver._asides):
            for found in objects.values():
                found.modified -= seconds

    def accept(self, name, tag, payload, calls):
        """Push a manifest after its blobs; the process may die at a call."""
        try:
            for digest in references_in(payload).blobs:
                self.upload(name, digest)
            before = self.tags.get((name, tag), {None})
            if calls is not None:
                self.driver.calls_left = calls
                # Until it is accepted, the tag is where it was or where it goes.
                self.tags[name, tag] = {*before, payload}
            self.payloads[str(Digest.of(payload))] = payload
            self.registry.manifests.put(name, tag or Digest.of(payload), payload)
        except Killed:
            self.registry = Registry(self.driver)
            if tag is None:
                self.tags.pop((name, None), None)
        else:
            self.held.setdefault(name, set()).add(payload)
            if tag is not None:
                self.tags[name, tag] = {payload}
            else:
                self.tags.pop((name, None), None)
        finally:
            self.driver.calls_left = None
            self.settle_tags()
        if payload not in self.held.get(name, ()) and self.is_there(name, payload):
            # Its client tries again.
            self.accept(name, tag, payload, None)

    def settle_tags(self):
        """Look where a tag is of which two things may be true."""
        for key, either in list(self.tags.items()):
            if len(either) > 1:
                target = self.registry.tags.target(*key)
                (found,) = [each for each in either if (each and Digest.of(each)) == target] or [
                    None
                ]
                if found is None:
                    del self.tags[key]
                else:
                    self.tags[key] = {found}
                    self.held.setdefault(key[0], set()).add(found)

    def upload(self, name, digest):
        try:
            self.registry.blobs.stat(name, digest)
        except BlobUnknown:
            try:
                self.registry.blobs.mount(name, digest, None)
            except BlobUnknown:
                push_blob(self.registry, name, CONTENT[digest])

    @rule(name=REPOSITORIES, tag=st.none() | TAGS, layers=LAYERS, calls=st.none() | CALLS)
    def push_image(self, name, tag, layers, calls):
        self.accept(name, tag, image(b"c", layers), calls)

    @rule(name=REPOSITORIES, tag=TAGS, data=st.data())
    def push_index(self, name, tag, data):
        held = sorted(self.held.get(name, ()))
        children = data.draw(st.lists(st.sampled_from(held), max_size=2)) if held else []
        children = [each for each in children if self.is_there(name, each)]
        self.accept(name, tag, index(children), None)

    @rule(name=REPOSITORIES, data=st.data(), layers=LAYERS, calls=st.none() | CALLS)
    def push_referrer(self, name, data, layers, calls):
        held = sorted(self.held.get(name, ()))
        subject = data.draw(st.sampled_from(held)) if held else b"unknown"
        payload = image(b"c", layers, subject=descriptor(subject, "a/b"))
        self.accept(name, None, payload, calls)

    @rule(name=REPOSITORIES, content=st.sampled_from([b"1", b"2", b"unused"]))
    def push_unused(self, name, content):
        push_blob(self.registry, name, content)

    @rule(name=REPOSITORIES, tag=TAGS)
    def delete_tag(self, name, tag):
        try:
            self.registry.tags.delete(name, tag)
        except ManifestUnknown:
            assert (name, tag) not in self.tags
        else:
            del self.tags[name, tag]

    @rule(name=REPOSITORIES, data=st.data())
    def delete_manifest(self, name, data):
        """Delete one that no index here names: else the index is broken, by the client's wish."""
        held = sorted(self.held.get(name, ()))
        named = {digest for each in held for digest in references_in(each).manifests}
        free = [each for each in held if Digest.of(each) not in named]
        if not free:
            return
        payload = data.draw(st.sampled_from(free))
        with suppress(ManifestUnknown):
            self.registry.manifests.delete(name, Digest.of(payload))
        self.held[name].discard(payload)
        for key, either in list(self.tags.items()):
            if key[0] == name and payload in either:
                del self.tags[key]

    @rule(seconds=st.sampled_from([0.5, 5.0, LONG]))
    def time_passes(self, seconds):
        self.wait(seconds)

    @rule(untagged=st.booleans(), calls=st.none() | st.integers(0, 300))
    def collect(self, untagged, calls):
        self.driver.calls_left = calls
        try:
            result, _ = collect(self.driver, untagged=untagged, grace_seconds=10.0)
            assert not result.problems
        except Killed:
            self.registry = Registry(self.driver)
        finally:
            self.driver.calls_left = None
        if untagged:
            for name, held in self.held.items():
                for payload in list(held):
                    if payload not in self.needed(name) and not self.is_there(name, payload):
                        held.discard(payload)

    def is_there(self, name, payload):
        try:
            self.registry.manifests.get(name, Digest.of(payload))
        except ManifestUnknown:
            return False
        return True

    def needed(self, name):
        """All that a tag leads to: children, and referrers of whatever is led to."""
        held = self.held.get(name, set())
        found: set[bytes] = set()
        waiting = [each for key, (each,) in self.tags.items() if key[0] == name]
        while waiting:
            payload = waiting.pop()
            if payload in found:
                continue
            found.add(payload)
            named = references_in(payload)
            waiting += [self.payloads[str(digest)] for digest in named.manifests]
            waiting += [each for each in held if references_in(each).subject == Digest.of(payload)]
        return found

    @invariant()
    def what_was_accepted_can_be_pulled(self):
        if not hasattr(self, "driver"):
            return
        for (name, tag), (payload,) in self.tags.items():
            assert self.registry.manifests.get(name, tag).content == payload
            pull(self.registry, name, tag)
        for name, held in self.held.items():
            for payload in held:
                pull(self.registry, name, Digest.of(payload))
            for payload in self.needed(name):
                subject = references_in(payload).subject
                if subject is not None and payload in held:
                    found = self.registry.referrers.page(name, subject)[0]
                    assert str(Digest.of(payload)) in {each.digest for each in found}

    def teardown(self):
        if not hasattr(self, "driver"):
            return
        self.wait(2 * LONG)
        collect(self.driver, untagged=True)
        kept = {payload for name in REPOSITORY_NAMES for payload in self.needed(name)}
        assert blobs_in(self.driver) == names(kept)
        for name in REPOSITORY_NAMES:
            needed = self.needed(name)
            layers = {digest for payload in needed for digest in references_in(payload).blobs}
            assert set(self.driver.folders(layout.layers_by(name, "sha256"))) == {
                digest.encoded for digest in layers
            }
            assert set(self.driver.folders(layout.revisions(name, "sha256"))) == {
                Digest.of(payload).encoded for payload in needed
            }


REPOSITORY_NAMES = ("a", "a/b", "c")
CONTENT = {Digest.of(content): content for content in (b"c", b"1", b"2", b"3", b"unused")}

TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=30)
