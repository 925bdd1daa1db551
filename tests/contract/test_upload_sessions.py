"""Whose uploads give way to whose, and when."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.content.registry import Registry
from holm_registry.content.upload_sessions import EMPTY_SECONDS, FEW, IDLE_SECONDS, LEFT_SECONDS
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUploadUnknown, Denied, TooManyRequests
from holm_registry.server.quota_usage import measure_usage
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver


@pytest.fixture(params=["memory", "files"])
def make(request, tmp_path):
    """Make servers of one volume, with a clock in common."""
    clock = Clock()
    memory = MemoryDriver(clock.seconds)

    def start(uploads=4, limits=None):
        driver = memory if request.param == "memory" else FilesystemDriver(str(tmp_path))
        registry = Registry(
            driver, bounds=ContentLimits(uploads=uploads), quotas=Quotas(limits or {})
        )
        registry.sessions._clock = clock.seconds
        registry.clock = clock
        return registry

    return start


def begin(registry, owner, content=b"", repository="a"):
    session_id = registry.uploads.start(repository, owner=owner)
    if content:
        session = registry.uploads.open(repository, session_id)
        session.append([content])
        session.close()
    return session_id


def is_there(registry, session_id, repository="a"):
    try:
        registry.uploads.size_bytes(repository, session_id)
    except BlobUploadUnknown:
        return False
    return True


def test_who_has_begun_all_uploads_there_may_be_makes_room_for_others(make):
    """The promise: nobody keeps others from pushing by beginning uploads and leaving them."""
    registry = make()
    left = [begin(registry, "a hoarder") for _ in range(4)]
    with pytest.raises(TooManyRequests, match="4 of them are yours"):
        begin(registry, "a hoarder")
    first, second = begin(registry, "somebody"), begin(registry, "somebody else")
    assert [is_there(registry, each) for each in left] == [False, False, True, True]
    for each in (first, second):
        session = registry.uploads.open("a", each)
        session.append([each.encode()])
        session.commit(Digest.of(each.encode()))
        session.close()
    for _ in range(2):
        begin(registry, "a hoarder")
    with pytest.raises(TooManyRequests):
        begin(registry, "a hoarder")


def test_of_many_clients_with_one_upload_each_one_makes_room_for_a_new_one(make):
    registry = make()
    for number in range(4):
        begin(registry, f"address {number}")
    begin(registry, "somebody")
    with pytest.raises(TooManyRequests):
        begin(registry, "somebody")
    registry.clock.advance(LEFT_SECONDS)
    begin(registry, "somebody")


def test_what_has_bytes_gives_way_after_what_has_none_and_the_longest_idle_first(make):
    registry = make()
    filled = [begin(registry, "a hoarder", b"x"), begin(registry, "a hoarder", b"y")]
    empty = begin(registry, "a hoarder")
    registry.clock.advance(1)
    session = registry.uploads.open("a", filled[0])
    session.append([b"z"])
    session.close()
    begin(registry, "somebody")
    begin(registry, "another")
    assert not is_there(registry, empty)
    begin(registry, "a third")
    assert [is_there(registry, each) for each in filled] == [True, False]


def test_an_upload_that_somebody_writes_to_never_gives_way(make):
    registry = make(2)
    busy = [registry.uploads.open("a", begin(registry, "a hoarder")) for _ in range(2)]
    with pytest.raises(TooManyRequests):
        begin(registry, "somebody")
    for session in busy:
        session.append([b"x"])
        session.commit(Digest.of(b"x"))
        session.close()
    begin(registry, "somebody")


def test_an_upload_that_another_server_writes_to_never_gives_way(make):
    first, second = make(2), make(2)
    if isinstance(first.uploads._driver, MemoryDriver):
        pytest.skip("has no other servers")
    shared = [begin(first, "a hoarder") for _ in range(2)]
    session = second.uploads.open("a", shared[0])
    session.append([b"in use"])
    begin(first, "somebody")
    assert [is_there(first, each) for each in shared] == [True, False]
    session.close()
    # The first server has not heard of its bytes, and believes it to be empty.
    begin(first, "another")
    assert is_there(first, shared[0])


def test_what_was_left_long_ago_gives_way_to_the_same_client(make):
    """Behind one proxy all are one client: those who left must not keep those who came out."""
    registry = make(FEW)
    begin(registry, "the proxy")
    for _ in range(FEW - 1):
        begin(registry, "the proxy", b"x")
    registry.clock.advance(EMPTY_SECONDS - 1)
    with pytest.raises(TooManyRequests):
        begin(registry, "the proxy")
    registry.clock.advance(1)
    begin(registry, "the proxy", b"y")
    with pytest.raises(TooManyRequests):
        begin(registry, "the proxy")
    registry.clock.advance(IDLE_SECONDS)
    begin(registry, "the proxy")


def test_what_was_parked_long_ago_gives_way_where_a_quota_has_no_room(make):
    registry = make(100, {"": 100, "team/": 50})
    other = begin(registry, "x", b"o" * 10, "other")
    old = begin(registry, "x", b"o" * 30, "team/a")
    registry.clock.advance(IDLE_SECONDS - 1)
    young = begin(registry, "x", b"y" * 10, "team/b")
    with pytest.raises(Denied):
        begin(registry, "x", b"z" * 20, "team/b")
    registry.clock.advance(1)
    new = begin(registry, "x", b"z" * 20, "team/b")
    assert not is_there(registry, old, "team/a")
    assert is_there(registry, young, "team/b")
    assert is_there(registry, new, "team/b")
    assert is_there(registry, other, "other"), "it would make no room below team/"
    assert registry.quotas.used == {"": 40, "team/": 30}


def test_what_was_parked_before_a_restart_gives_way_as_well(make, monkeypatch):
    registry = make(100, {"": 50})
    old = begin(registry, "x", b"o" * 30)
    anew = make(100, {"": 50})
    driver = anew.uploads._driver
    anew.quotas.count("a", lambda: measure_usage(driver, "a"))
    assert anew.quotas.used == {"": 30}
    with pytest.raises(Denied):
        begin(anew, "x", b"z" * 21)
    now = driver.seconds()
    monkeypatch.setattr(driver, "seconds", lambda: now + IDLE_SECONDS + 5)
    anew.clock.advance(61)
    begin(anew, "x", b"z" * 21)
    assert not is_there(anew, old)
    assert anew.quotas.used == {"": 21}


def test_nothing_is_remembered_where_nothing_is_bounded(make):
    registry = make(0)
    for _ in range(3):
        begin(registry, "x", b"x")
        begin(registry, "x")
    sessions = registry.sessions
    assert not {*sessions._empty, *sessions._filled, *sessions._busy, *sessions._counts}
