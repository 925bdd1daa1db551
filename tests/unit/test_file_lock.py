"""Locks on files whose paths change hands between opening and locking."""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import threading

import pytest

from holm_registry import file_lock
from holm_registry.commands import htpasswd
from holm_registry.file_lock import Busy, open_locked, remove_and_unlock
from holm_registry.notifications.queue_directories import QueueDirectories


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "file"
    found.write_bytes(b"old")
    return str(found)


@pytest.fixture
def before_lock(monkeypatch):
    """Have things happen between the opening of a file and the lock on it, each once."""

    def widen(*meanwhile):
        real, turns = fcntl.flock, iter(meanwhile)

        def late(*args):
            for each in turns:
                each()
                break
            return real(*args)

        monkeypatch.setattr(fcntl, "flock", late)

    return widen


def replaced(path, content=b"new"):
    with open(f"{path}.new", "wb") as file:
        file.write(content)
    os.replace(f"{path}.new", path)


def test_the_file_that_is_locked_is_the_one_at_the_path(path, before_lock):
    before_lock(lambda: replaced(path), lambda: replaced(path, b"newest"))
    file = open_locked(path)
    assert os.pread(file, 10, 0) == b"newest"
    os.close(file)


def test_a_file_that_is_removed_before_it_is_locked_is_missing_or_made_anew(path, before_lock):
    before_lock(lambda: os.unlink(path))
    with pytest.raises(FileNotFoundError):
        open_locked(path)
    before_lock(lambda: os.unlink(path))
    file = open_locked(path, os.O_RDWR | os.O_CREAT)
    assert os.path.samestat(os.fstat(file), os.stat(path))
    os.close(file)


def test_a_file_that_is_replaced_for_ever_is_busy_and_leaves_nothing_open(path, monkeypatch):
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(fcntl, "flock", lambda *_: replaced(path))
    with pytest.raises(Busy):
        open_locked(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_one_holder_at_a_time(path):
    file = open_locked(path)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Busy):
        open_locked(path)
    with pytest.raises(Busy):
        open_locked(path, wait_seconds=0.02)
    assert len(os.listdir("/proc/self/fd")) == before
    waiter = threading.Thread(target=lambda: os.close(open_locked(path, wait_seconds=60)))
    waiter.start()
    os.close(file)
    waiter.join()


def test_a_lock_that_leaves_no_file_passes_on_to_those_who_wait(path):
    """Each makes the file anew that the one before has removed; never two have it at once."""
    inside, most = [], []

    def often():
        for _ in range(50):
            file = open_locked(path, os.O_RDWR | os.O_CREAT, wait_seconds=60)
            inside.append(file)
            most.append(len(inside))
            inside.remove(file)
            remove_and_unlock(path, file)

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 200
    assert not os.path.exists(path)


def test_another_lock_at_the_same_path_is_not_removed(path):
    file = open_locked(path)
    replaced(path)
    other = open_locked(path)
    remove_and_unlock(path, file)
    with pytest.raises(Busy):
        open_locked(path)
    remove_and_unlock(path, other)
    assert not os.path.exists(path)


def test_where_there_are_no_locks_the_path_is_looked_at_all_the_same(path, monkeypatch):
    turns = iter([1])

    def unsupported(*_):
        for _ in turns:
            replaced(path)
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    file = open_locked(path)
    assert os.pread(file, 10, 0) == b"new"
    os.close(file)


def test_a_lock_that_fails_is_an_error_and_leaves_nothing_open(path, monkeypatch):
    def failing(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(file_lock.fcntl, "flock", failing)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="broken"):
        open_locked(path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_two_commands_that_add_users_at_once_lose_none(tmp_path, monkeypatch, before_lock):
    path = str(tmp_path / "users")
    monkeypatch.setattr(htpasswd, "_password", lambda name: name.encode())

    def add(name):
        assert (
            htpasswd.run(argparse.Namespace(verb="add", file=path, name=name, replace=False)) == 0
        )

    add("alice")
    before_lock(lambda: add("bob"))
    add("carol")
    with open(path) as file:
        assert [line.partition(":")[0] for line in file] == ["alice", "bob", "carol"]


def test_two_servers_never_share_a_spool(tmp_path, before_lock):
    """The lock file of the first folder is removed while the second server waits for it."""
    folder = str(tmp_path)
    QueueDirectories(folder).close()
    others = []

    def remove_and_take():
        os.unlink(f"{folder}/0/lock")
        others.append(QueueDirectories(folder))

    before_lock(remove_and_take)
    spool = QueueDirectories(folder)
    assert spool.own != others[0].own
    spool.close()
    others[0].close()
