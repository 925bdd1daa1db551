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
def directory(tmp_path):
    return str(tmp_path / "maintenance" / "robots")


def test_a_robot_has_a_key_and_a_scope(directory):
    robots = RobotAccounts(directory)
    assert robots.get("ci") is None
    assert list(robots.list_all()) == []
    key = robots.create("ci", SCOPE)
    robot = robots.get("ci")
    assert robot.has_key(key.encode())
    assert not robot.has_key(key.encode()[:-1])
    assert not robot.has_key(b"")
    assert robot.scope == SCOPE
    assert robot.scope.allows("team/a/b", "push")
    assert not robot.scope.allows("team/a", "delete")
    assert not robot.scope.allows("teams", "pull")
    assert str(robot.scope) == "pull, push in team/*, x"
    assert [each.name for each in robots.list_all()] == ["ci"]


def test_the_key_is_not_stored_and_the_file_is_private(directory):
    key = RobotAccounts(directory).create("ci", SCOPE)
    with open(f"{directory}/ci.json") as file:
        assert key not in file.read()
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert os.stat(f"{directory}/ci.json").st_mode & 0o777 == 0o600
    assert os.listdir(directory) == ["ci.json"]


def test_changes_by_another_process_are_seen_at_once(directory):
    here, there = RobotAccounts(directory), RobotAccounts(directory)
    first = there.create("ci", SCOPE).encode()
    assert here.get("ci").has_key(first)
    there.revoke("ci")
    assert here.get("ci") is None
    second = there.create("ci", SCOPE).encode()
    assert here.get("ci").has_key(second)
    assert not here.get("ci").has_key(first)


def test_a_robot_expires(directory):
    now = [1000.0]
    robots = RobotAccounts(directory, pytest.fail, lambda: now[0])
    robots.create("ci", SCOPE, 60.0)
    now[0] = 1059.0
    assert robots.get("ci") is not None
    now[0] = 1060.0
    assert robots.get("ci") is None
    assert [each.expires for each in robots.list_all()] == [1060.0], "its name is still taken"


def test_a_robot_never_replaces_another_one(directory):
    robots = RobotAccounts(directory)
    key = robots.create("ci", SCOPE)
    with pytest.raises(RobotInvalid, match="robot 'ci' already exists"):
        robots.create("ci", SCOPE)
    assert robots.get("ci").has_key(key.encode())
    assert os.listdir(directory) == ["ci.json"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", "$x", "a\0", "a" * 64, "ä"])
def test_invalid_names_are_refused(directory, name):
    robots = RobotAccounts(directory)
    assert robots.get(name) is None
    with pytest.raises(RobotInvalid):
        robots.create(name, SCOPE)
    with pytest.raises(RobotInvalid, match="does not exist"):
        robots.revoke(name)
    assert not os.path.exists(directory)


def test_a_damaged_file_allows_no_login_and_is_reported(directory):
    warnings = []
    robots = RobotAccounts(directory, warnings.append)
    robots.create("ci", SCOPE)
    with open(f"{directory}/ci.json", "w") as file:
        file.write("{")
    for _ in range(3):
        assert robots.get("ci") is None
    (line,) = warnings
    assert line.startswith(f"auth.robots: {directory}/ci.json: ")
    with pytest.raises(RobotInvalid, match=r"ci\.json"):
        list(robots.list_all())


def test_a_pipe_in_place_of_a_robot_allows_no_login_and_does_not_block(tmp_path):
    lines: list[str] = []
    os.mkfifo(tmp_path / "ci.json")
    robots = RobotAccounts(str(tmp_path), lines.append)
    assert robots.get("ci") is None
    assert robots.get("ci") is None
    (line,) = lines
    assert "Not a regular file" in line
