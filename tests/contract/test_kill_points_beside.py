"""The process dies at each call that changes what lies beside content: robots, users, events."""

from __future__ import annotations

import argparse
import os

from holm_registry.auth.htpasswd import parse_htpasswd
from holm_registry.auth.robots import RobotAccounts
from holm_registry.auth.rules import RepositoryPattern, RuleScope
from holm_registry.auth.tokens import load_or_create_key
from holm_registry.commands import htpasswd
from holm_registry.notifications import queue as module
from holm_registry.notifications.queue import EventQueue

from ..kill_points import every_death


def test_a_robot_that_was_made_works_and_one_that_was_revoked_does_not(tmp_path, monkeypatch):
    scope = RuleScope((RepositoryPattern("*"),), frozenset({"pull"}))
    state = {}

    def live(deadline):
        state.clear()
        robots = RobotAccounts(str(tmp_path / str(deadline) / "robots"))
        state["keys"] = {}
        state["keys"]["first"] = robots.create("first", scope)
        state["keys"]["second"] = robots.create("second", scope)
        del state["keys"]["first"]
        robots.revoke("first")
        state["revoked"] = True

    def check(deadline):
        robots = RobotAccounts(str(tmp_path / str(deadline) / "robots"), warn=lambda _: 1 / 0)
        for name, key in state["keys"].items():
            assert robots.get(name).has_key(key.encode())
        assert {each.name for each in robots.list_all()} <= {"first", "second"}
        if state.get("revoked"):
            assert robots.get("first") is None
        robots.create("after", scope)

    assert every_death(monkeypatch, live, check) > 10


def test_a_user_who_was_added_can_log_in(tmp_path, monkeypatch):
    state = []
    monkeypatch.setattr(htpasswd, "_password", lambda _: b"secret")
    monkeypatch.setattr(htpasswd, "hash_password", lambda _: "$2y$05$" + "." * 53)

    def path(deadline):
        return str(tmp_path / f"users-{deadline}")

    def change(deadline, verb, name):
        htpasswd.run(argparse.Namespace(verb=verb, file=path(deadline), name=name, replace=False))

    def live(deadline):
        state.clear()
        for name in ("alice", "bob"):
            change(deadline, "add", name)
            state.append(name)
        state.remove("alice")
        change(deadline, "remove", "alice")

    def check(deadline):
        change(deadline, "add", "after")
        with open(path(deadline)) as file:
            users, warnings = parse_htpasswd(file.read())
        assert not warnings
        assert set(state) <= set(users)

    assert every_death(monkeypatch, live, check) > 5


def test_the_key_of_tokens_is_whole_or_made_anew(tmp_path, monkeypatch):
    state = {}

    def live(deadline):
        state.clear()
        state["key"] = load_or_create_key(str(tmp_path / str(deadline) / "tokens.key"))

    def check(deadline):
        found = load_or_create_key(str(tmp_path / str(deadline) / "tokens.key"))
        assert found == state.get("key", found)

    assert every_death(monkeypatch, live, check) > 2


def test_no_event_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 20)
    put, done = [], []

    def live(deadline):
        put.clear()
        done.clear()
        queue = EventQueue(str(tmp_path / str(deadline)))
        for number in range(6):
            line = b"event %d" % number
            queue.append(line)
            put.append(line)
        for _ in range(3):
            entry = queue.peek()
            done.append(entry.line)
            queue.advance(entry)
        queue.dead_letter(queue.peek())
        queue.append(b"event 6")
        put.append(b"event 6")
        for _ in range(2):
            entry = queue.peek()
            done.append(entry.line)
            queue.advance(entry)

    def check(deadline):
        folder = str(tmp_path / str(deadline))
        queue = EventQueue(folder)
        queue.append(b"after")
        left = []
        while (entry := queue.peek()) is not None:
            left.append(entry.line)
            assert len(left) < 1000, "it does not advance"
            queue.advance(entry)
        dead = b""
        if os.path.exists(f"{folder}/dead.jsonl"):
            with open(f"{folder}/dead.jsonl", "rb") as file:
                dead = file.read()
        assert {*put, b"after"} <= {*left, *done, *dead.splitlines()}
        assert left == [*sorted(line for line in left if line != b"after"), b"after"]
        assert queue.pending == 0

    assert every_death(monkeypatch, live, check) > 10
