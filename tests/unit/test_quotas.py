"""Quotas in any order of events, against a recount that looks at everything."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holm_registry.content.quotas import QuotaExceeded, Quotas, RepositoryUse
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import Denied
from holm_registry.storage.errors import StorageUnavailable

LIMITS = {"": 100, "a": 60}
REPOSITORIES = st.sampled_from(["a", "c"])
SIZES = {Digest.of(bytes([size])): size for size in (7, 20)}
DIGESTS = st.sampled_from(list(SIZES))
SESSIONS = ["s1", "s2"]


class Failed(Exception):
    """A push that breaks off."""


class Recounted(RuleBasedStateMachine):
    """
    Pushes, deletions and counts, each in steps, and the steps in any order.

    The store is what is there; the quotas must know it whenever nothing is half done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quotas = Quotas(LIMITS)
        self.content = {}
        self.sessions = {}
        self.changes = {}
        self.counts = {}
        #: Repositories in which something came or went behind the registry's back.
        self.unknown = set()
        self.was_unknown = False

    def measure(self, repository, digest):
        return lambda: SIZES[digest] if (repository, digest) in self.content else 0

    @rule(repository=REPOSITORIES, digest=DIGESTS, session=st.sampled_from(["", *SESSIONS]))
    def begin_push(self, repository, digest, session):
        key = repository, digest
        if key in self.changes:
            return
        parked = self.sessions.get((repository, session), 0)
        session = session if parked == SIZES[digest] else ""
        change = self.quotas.changing(
            repository,
            digest,
            self.measure(repository, digest),
            adds=SIZES[digest],
            session=session,
        )
        try:
            change.__enter__()
        except Denied:
            return
        self.changes[key] = (change, True, session)

    @rule(repository=REPOSITORIES, digest=DIGESTS)
    def begin_delete(self, repository, digest):
        key = repository, digest
        if key in self.changes:
            return
        change = self.quotas.changing(repository, digest, self.measure(repository, digest))
        change.__enter__()
        self.changes[key] = (change, False, "")

    @precondition(lambda self: self.changes)
    @rule(data=st.data(), fails=st.sampled_from([None, "before", "after"]))
    def end_change(self, data, fails):
        key = data.draw(st.sampled_from(sorted(self.changes, key=str)))
        change, comes, session = self.changes.pop(key)
        if fails != "before" and comes:
            self.content[key] = True
        elif fails != "before":
            self.content.pop(key, None)
        if fails is None:
            change.__exit__(None, None, None)
            if session and self.sessions.pop((key[0], session), None) is not None:
                self.quotas.end(key[0], session)
        else:
            assert not change.__exit__(Failed, Failed(), None), "what fails is not hidden"
            if fails == "after" and session:
                self.sessions.pop((key[0], session), None)
                self.quotas.end(key[0], session)

    @rule(
        repository=REPOSITORIES, session=st.sampled_from(SESSIONS), size=st.sampled_from([7, 20, 3])
    )
    def append(self, repository, session, size):
        if any(each[2] == session for each in self.changes.values()):
            return
        try:
            self.quotas.grow(repository, session, size)
        except Denied:
            return
        key = repository, session
        self.sessions[key] = self.sessions.get(key, 0) + size

    @rule(repository=REPOSITORIES, session=st.sampled_from(SESSIONS))
    def cancel(self, repository, session):
        if any(each[2] == session for each in self.changes.values()):
            return
        self.sessions.pop((repository, session), None)
        self.quotas.end(repository, session)

    @rule(repository=REPOSITORIES)
    def begin_count(self, repository):
        if repository not in self.counts:
            self.quotas.begin_count(repository)
            self.counts[repository] = ({}, {}, repository in self.unknown)

    @precondition(lambda self: self.counts)
    @rule(data=st.data(), digest=DIGESTS, session=st.sampled_from(SESSIONS))
    def look(self, data, digest, session):
        repository = data.draw(st.sampled_from(sorted(self.counts)))
        content, sessions, _ = self.counts[repository]
        content.setdefault(digest, (repository, digest) in self.content)
        sessions.setdefault(session, self.sessions.get((repository, session)))

    @precondition(lambda self: self.counts)
    @rule(data=st.data())
    def end_count(self, data):
        repository = data.draw(st.sampled_from(sorted(self.counts)))
        content, sessions, was_unknown = self.counts.pop(repository)
        for digest in SIZES:
            content.setdefault(digest, (repository, digest) in self.content)
        for session in SESSIONS:
            sessions.setdefault(session, self.sessions.get((repository, session)))
        self.quotas.end_count(
            repository,
            RepositoryUse(
                {digest: SIZES[digest] for digest, is_here in content.items() if is_here},
                {name: size for name, size in sessions.items() if size is not None},
            ),
        )
        if was_unknown:
            self.unknown.discard(repository)

    @rule(repository=REPOSITORIES, digest=DIGESTS, comes=st.booleans())
    def another_server(self, repository, digest, comes):
        """Change something without a word; only the next count can tell."""
        if (repository, digest) in self.changes or repository in self.counts:
            return
        if comes:
            self.content[repository, digest] = True
        else:
            self.content.pop((repository, digest), None)
        self.unknown.add(repository)
        self.was_unknown = True

    def recount(self, prefix):
        content = sum(
            SIZES[digest] for repository, digest in self.content if repository.startswith(prefix)
        )
        parked = sum(
            size for (repository, _), size in self.sessions.items() if repository.startswith(prefix)
        )
        return content + parked

    @invariant()
    def what_is_counted_is_what_is_there(self):
        for prefix, limit in LIMITS.items():
            used = self.quotas.used[prefix]
            assert used >= 0
            if any(repository.startswith(prefix) for repository in self.unknown):
                continue
            changing = [each for each in self.changes if each[0].startswith(prefix)]
            if changing:
                assert used >= self.recount(prefix) - sum(SIZES[digest] for _, digest in changing)
            else:
                assert used == self.recount(prefix)
                assert used <= limit or self.was_unknown, "another server may go beyond"

    def teardown(self):
        for change, *_ in self.changes.values():
            change.__exit__(None, None, None)


TestRecounted = Recounted.TestCase
TestRecounted.settings = settings(max_examples=200)


class Store:
    """A repository's blobs, for threads."""

    def __init__(self, quotas):
        self.quotas = quotas
        self.blobs = {}

    def push(self, digest, size, fails=False):
        with self.quotas.changing("a", digest, lambda: self.blobs.get(digest, 0), adds=size):
            if fails:
                raise StorageUnavailable("full")
            self.blobs[digest] = size

    def delete(self, digest):
        with self.quotas.changing("a", digest, lambda: self.blobs.get(digest, 0)):
            self.blobs.pop(digest, None)


def at_once(*functions):
    together = threading.Barrier(len(functions))

    def run(function):
        together.wait()
        function()

    threads = [threading.Thread(target=run, args=(each,)) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


ONE = Digest.of(b"one")


def test_commits_of_one_blob_at_once_count_once():
    store = Store(Quotas({"": 10}))
    at_once(*[lambda: store.push(ONE, 7)] * 3)
    assert store.quotas.used == {"": 7}


def test_a_blob_that_comes_and_goes_in_threads_counts_as_what_is_left():
    store = Store(Quotas({"": 100}))

    def often():
        for turn in range(100):
            if turn % 3:
                store.delete(ONE)
            else:
                store.push(ONE, 7)

    def count():
        for _ in range(100):
            store.quotas.count("a", lambda: RepositoryUse(dict(store.blobs)))

    at_once(often, often, count)
    assert store.quotas.used == {"": sum(store.blobs.values())}


def test_pushes_at_once_do_not_go_beyond_a_quota_together():
    store, refused = Store(Quotas({"": 1000})), []

    def push(number):
        for turn in range(50):
            try:
                store.push(Digest.of(b"%d %d" % (number, turn)), 7)
            except Denied:
                refused.append(turn)

    at_once(*(lambda number=number: push(number) for number in range(8)))
    assert sum(store.blobs.values()) == store.quotas.used[""] == 994
    assert len(refused) == 400 - 142


def test_a_push_that_fails_while_it_is_counted_takes_nothing_away():
    store = Store(Quotas({"": 100}))
    store.push(ONE, 30)
    other = Digest.of(b"other")

    def measure():
        with pytest.raises(StorageUnavailable):
            store.push(other, 20, fails=True)
        return RepositoryUse({ONE: 30, other: 20})

    store.quotas.count("a", measure)
    assert store.quotas.used == {"": 30}


def test_a_push_that_ends_while_it_is_counted_is_not_lost():
    store = Store(Quotas({"": 100}))

    def measure():
        seen = dict(store.blobs)
        store.push(ONE, 7)
        return RepositoryUse(seen)

    store.quotas.count("a", measure)
    assert store.quotas.used == {"": 7}


def test_a_count_that_fails_changes_nothing():
    store = Store(Quotas({"": 100}))
    store.push(ONE, 7)

    def measure():
        raise StorageUnavailable("gone")

    with pytest.raises(StorageUnavailable):
        store.quotas.count("a", measure)
    store.push(Digest.of(b"two"), 3)
    assert store.quotas.used == {"": 10}


def test_what_is_parked_in_sessions_counts_and_becomes_content():
    quotas = Quotas({"": 10})
    quotas.grow("a", "s", 7)
    with pytest.raises(QuotaExceeded) as refused:
        quotas.grow("a", "t", 4)
    assert str(refused.value) == (
        "the quota of all repositories is used up: 4 B are needed, and 3 B of 10 B are free"
    )
    assert refused.value.detail == {"quota": "", "limit": 10, "free": 3, "wanted": 4}
    here = iter([0, 7])
    with quotas.changing("a", ONE, lambda: next(here), adds=7, session="s"):
        assert quotas.used == {"": 7}, "they are counted already"
    assert quotas.used == {"": 7}, "and not twice while both are there"
    quotas.end("a", "s")
    assert quotas.used == {"": 7}


def test_room_is_made_where_some_can_be():
    quotas = Quotas({"": 10})
    quotas.grow("a", "idle", 9)
    asked = []

    def give_way(prefix):
        asked.append(prefix)
        quotas.end("a", "idle")
        return len(asked) == 1

    quotas.give_way = give_way
    quotas.grow("a", "busy", 5)
    with pytest.raises(QuotaExceeded):
        quotas.require("a", 6)
    assert asked == ["", ""]
    assert quotas.used == {"": 5}
