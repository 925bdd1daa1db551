"""What commands say, to whom, and what they refuse to guess."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import image
from .conftest import FILE

#: Not what this machine may have at a default place.
HASH = "$2b$05$" + "a" * 53

MAIN = "import sys; from holm_registry.cli import main; sys.exit(main())"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A store as `make run` makes one: no configuration names it."""
    root = tmp_path_factory.mktemp("store") / "root"
    root.mkdir()
    registry = Registry(FilesystemDriver(str(root)))
    for turn, name in enumerate(("a", "b", "c")):
        layer = b"x" * 1000 * (3 - turn) + name.encode()
        for content in (b"{}", layer):
            session = registry.uploads.open(name, registry.uploads.start(name))
            session.append([content])
            session.commit(Digest.of(content))
        for tag in range(turn + 1):
            registry.manifests.put(name, f"v{tag}", image(b"{}", [layer]))
    return root


@pytest.mark.parametrize(
    "words",
    [
        ("token", "create", "--repository=*", "--expires"),
        ("garbage-collect", "--grace"),
    ],
)
@pytest.mark.parametrize("text", ["30", "5", "1.5", "3600"])
def test_a_number_without_a_unit_is_refused_with_an_example(command, root, words, text):
    done = command(*words, text, "--root", root)
    assert done.returncode == 2
    assert f"{text!r} has no unit; expected a duration such as 30s, 12h or 30d" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("token", "create", "--repository=*", "--expires"), "is negative; expected a duration"),
        (("garbage-collect", "--grace"), "is negative; expected a duration"),
        (("stats", "--top"), "expected"),
        (("verify", "--max-mb-per-second"), "expected"),
    ],
)
@pytest.mark.parametrize("text", ["-5h", "-1d", "-5", "-.5h"])
def test_a_negative_value_is_not_taken_for_an_option(command, root, words, said, text):
    done = command(*words, text, "--root", root)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"argument {words[-1]}: " in done.stderr
    assert said in done.stderr
    assert "expected one argument" not in done.stderr


def test_a_key_that_is_over_at_once_is_refused(command, root):
    for text in ("0", "0s", "10ms"):
        done = command("token", "create", "--repository=*", "--expires", text, "--root", root)
        assert done.returncode == 2
        assert "expires at once" in done.stderr


@pytest.mark.parametrize(
    "words", [("stats",), ("garbage-collect", "--dry-run"), ("verify",), ("token", "list")]
)
def test_a_store_is_used_without_its_configuration_and_said(command, root, words):
    done = command(*words, "--root", root)
    assert done.returncode == 0, done.stderr
    assert f"registry: configuration from file {FILE}, storage in {root}\n" in done.stderr
    assert "configuration from" not in done.stdout


def test_where_nothing_says_which_store_it_is_said_how_to(command, tmp_path):
    done = command("stats", "--root", tmp_path / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{str(tmp_path / 'none')!r} is not a directory (from option --root)" in done.stderr


@pytest.mark.parametrize("place", ["", "docker/registry/v2"])
@pytest.mark.parametrize("words", [("stats",), ("verify",), ("garbage-collect", "--grace", "0s")])
def test_a_folder_where_a_volume_may_be_missing_is_no_empty_store(command, tmp_path, words, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    done = command(*words, "--root", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no store: nothing was pushed yet, or its volume is not mounted" in done.stderr
    assert list((tmp_path / place).iterdir()) == []


def test_a_store_without_repositories_is_one(command, tmp_path):
    (tmp_path / "docker/registry/v2/repositories").mkdir(parents=True)
    for words in (("stats",), ("verify",), ("garbage-collect", "--grace", "0s")):
        assert command(*words, "--root", tmp_path).returncode == 0


def test_a_robot_of_a_named_store_is_made_and_revoked(command, root):
    made = command("token", "create", "--name=ci", "--repository=*", "--expires=1h", "--root", root)
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.splitlines()) == 1
    assert "no robot can log in without auth.htpasswd or auth.robots" in made.stderr
    revoked = command("token", "revoke", "ci", "--root", root)
    assert revoked.stdout == "revoked ci: its key is no longer accepted\n"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["a", "b", "c"]),
        (("--sort", "size"), ["a", "b", "c"]),
        (("--sort", "tags"), ["c", "b", "a"]),
        (("--sort", "tags", "--top", "2"), ["c", "b"]),
        (("--top", "1"), ["a"]),
        (("--sort", "alone", "--top", "99"), ["a", "b", "c"]),
    ],
)
def test_stats_are_sorted_and_cut(command, root, words, names):
    table = command("stats", "--root", root, *words).stdout.splitlines()
    assert [line.split()[0] for line in table[1:-1]] == names
    assert table[-1].startswith("3 repositories"), "the sums are of all"
    found = json.loads(command("stats", "--json", "--root", root, *words).stdout)
    assert [each["name"] for each in found["repositories"]] == names


@pytest.mark.parametrize("words", [("--top", "0"), ("--top", "-1"), ("--sort", "colour")])
def test_stats_refuse_what_cannot_be_sorted_or_cut_by(command, root, words):
    assert command("stats", "--root", root, *words).returncode == 2


@pytest.mark.parametrize("words", [("stats",), ("garbage-collect",), ("check",), ("--help",)])
def test_a_reader_that_has_seen_enough_is_no_fault(root, words):
    """As `head` is: nobody reads our output any more when it is written."""
    named = [] if words[0] in ("check", "--help") else ["--root", str(root)]
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, *words, *named],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "REGISTRY_CONFIGURATION_PATH": FILE},
    ) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "BrokenPipeError" not in said
    assert process.returncode in (128 + signal.SIGPIPE, 0)


def test_of_a_file_that_cannot_be_read_nothing_but_that_is_printed(command, tmp_path):
    for text in ("a: [}", "- a", ""):
        (tmp_path / "c.yml").write_text(text)
        done = command("check", tmp_path / "c.yml")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: the file is ")
        assert len(done.stderr.splitlines()) == 1


def run_on_a_full_disk(*words):
    """Run a command whose output finds no room; give what it says, which is its last line."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "REGISTRY_CONFIGURATION_PATH": FILE},
        )
    assert done.returncode == 1
    assert done.stderr.endswith("registry: standard output: No space left on device\n")
    return done.stderr.splitlines()


def test_output_that_does_not_fit_is_an_error_in_one_line(root):
    (first, _) = run_on_a_full_disk("stats", "--root", root)
    assert first.startswith("registry: configuration from ")


def test_output_that_does_not_fit_is_not_called_a_fault_of_the_file(tmp_path):
    users = tmp_path / "htpasswd"
    users.write_text("".join(f"user{number}:{HASH}\n" for number in range(2000)))
    assert len(run_on_a_full_disk("htpasswd", "list", users)) == 1


def test_an_interrupted_command_says_so(command, root, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("holm_registry.commands.stats.measure", interrupted)
    done = command("stats", "--root", root)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.endswith("registry: interrupted\n")
