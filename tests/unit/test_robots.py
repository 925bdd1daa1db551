"""Robots: made, known, ended."""

from __future__ import annotations

import os

import pytest

from holm_registry.auth.robots import RobotAccounts, RobotInvalid
from holm_registry.auth.rules import RepositoryPattern, RuleScope

SCOPE = RuleScope(
    (RepositoryPattern("team/*"), RepositoryPattern("x")), frozenset({"pull", "push"})
)


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "maintenance" / "robots")


def test_a_robot_has_a_key_and_a_scope(folder):
    robots = RobotAccounts(folder)
    assert robots.get("ci") is None
    assert list(robots.all()) == []
    key = robots.create("ci", SCOPE)
    robot = robots.get("ci")
    assert robot.has(key.encode())
    assert not robot.has(key.encode()[:-1])
    assert not robot.has(b"")
    assert robot.scope == SCOPE
    assert robot.scope.allows("team/a/b", "push")
    assert not robot.scope.allows("team/a", "delete")
    assert not robot.scope.allows("teams", "pull")
    assert str(robot.scope) == "pull, push in team/*, x"
    assert [each.name for each in robots.all()] == ["ci"]


def test_its_key_is_nowhere_and_nobody_else_may_look(folder):
    key = RobotAccounts(folder).create("ci", SCOPE)
    with open(f"{folder}/ci.json") as file:
        assert key not in file.read()
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(f"{folder}/ci.json").st_mode & 0o777 == 0o600
    assert os.listdir(folder) == ["ci.json"]


def test_what_another_process_does_is_seen_at_once(folder):
    here, there = RobotAccounts(folder), RobotAccounts(folder)
    first = there.create("ci", SCOPE).encode()
    assert here.get("ci").has(first)
    there.revoke("ci")
    assert here.get("ci") is None
    second = there.create("ci", SCOPE).encode()
    assert here.get("ci").has(second)
    assert not here.get("ci").has(first)


def test_a_robot_ends_when_it_is_to(folder):
    now = [1000.0]
    robots = RobotAccounts(folder, pytest.fail, lambda: now[0])
    robots.create("ci", SCOPE, 60.0)
    now[0] = 1059.0
    assert robots.get("ci") is not None
    now[0] = 1060.0
    assert robots.get("ci") is None
    assert [each.expires for each in robots.all()] == [1060.0], "its name is still taken"


def test_no_robot_takes_anothers_place(folder):
    robots = RobotAccounts(folder)
    key = robots.create("ci", SCOPE)
    with pytest.raises(RobotInvalid, match="there is a robot 'ci' already"):
        robots.create("ci", SCOPE)
    assert robots.get("ci").has(key.encode())
    assert os.listdir(folder) == ["ci.json"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", "$x", "a\0", "a" * 64, "ä"])
def test_what_is_no_name_is_nobodys(folder, name):
    robots = RobotAccounts(folder)
    assert robots.get(name) is None
    with pytest.raises(RobotInvalid):
        robots.create(name, SCOPE)
    with pytest.raises(RobotInvalid, match="there is no robot"):
        robots.revoke(name)
    assert not os.path.exists(folder)


def test_a_damaged_file_lets_nobody_in_and_is_told_of(folder):
    said = []
    robots = RobotAccounts(folder, said.append)
    robots.create("ci", SCOPE)
    with open(f"{folder}/ci.json", "w") as file:
        file.write("{")
    for _ in range(3):
        assert robots.get("ci") is None
    (line,) = said
    assert line.startswith(f"auth.robots: {folder}/ci.json: ")
    with pytest.raises(RobotInvalid, match=r"ci\.json"):
        list(robots.all())


def test_a_pipe_in_place_of_a_robot_lets_nobody_in_and_keeps_nobody_waiting(tmp_path):
    lines: list[str] = []
    os.mkfifo(tmp_path / "ci.json")
    robots = RobotAccounts(str(tmp_path), lines.append)
    assert robots.get("ci") is None
    assert robots.get("ci") is None
    (line,) = lines
    assert "Not a regular file" in line
