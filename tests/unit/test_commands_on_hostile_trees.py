"""Commands on a volume with anything on it: no traceback, nothing sound lost, one line a fault."""

from __future__ import annotations

import pytest

from holm_registry.content.registry import Registry
from holm_registry.storage.filesystem import FilesystemDriver

from .. import hostile
from ..stores import age

#: Commands, and the status with which each says that something is damaged.
COMMANDS = {
    ("stats",): 0,
    ("stats", "--json"): 0,
    ("verify",): 1,
    ("verify", "--json"): 1,
    ("garbage-collect", "--dry-run"): 0,
    ("garbage-collect", "--delete-untagged", "--grace", "1m"): 0,
    ("verify", "--repair"): 1,
    ("garbage-collect", "--json", "--grace", "1m"): 0,
    ("token", "list"): 0,
}


@pytest.fixture
def root(tmp_path):
    root = str(tmp_path / "root")
    hostile.fill(root)
    return root


def faults(done):
    """Give the lines of standard error that tell of faults: each names the command."""
    lines = [line for line in done.stderr.splitlines() if line]
    assert all(line.startswith("registry: ") for line in lines), lines
    return [line for line in lines if "configuration" not in line]


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_each_command_ends_and_keeps_what_is_sound(command, root, kind):
    hostile.spoil(root, kind)
    age(root)
    for words, status in COMMANDS.items():
        done = command(*words, "--root", root)
        assert done.returncode in (0, status), (words, done.stderr)
        faults(done)
        hostile.require_sound(Registry(FilesystemDriver(root)))


def test_what_is_not_ours_is_no_fault(command, root):
    hostile.litter(root)
    age(root)
    for words in COMMANDS:
        done = command(*words, "--root", root)
        assert done.returncode == 0, (words, done.stderr)
        assert [each for each in faults(done) if "auth." not in each] == []
        hostile.require_sound(Registry(FilesystemDriver(root)))
