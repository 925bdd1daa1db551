"""The version and the licence: said once, and the same wherever they are repeated."""

from __future__ import annotations

import configparser
import hashlib
import re
import shutil
from pathlib import Path

import pytest

import holm_registry
from tools import version

ROOT = Path(__file__).parents[2]

#: The text that apache.org publishes.
APACHE_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"

#: Files that repeat the version, whatever else does.
REPEATING = {
    "Dockerfile",
    "docs/kubernetes.md",
    "holm_registry/__init__.py",
    "manifests/own-volume.yaml",
    "manifests/registry-ui.yaml",
    "manifests/registry.yaml",
}


@pytest.fixture
def checkout():
    if not (ROOT / ".git").exists():
        pytest.skip("git says which files are the project's")


@pytest.fixture
def copied(checkout, tmp_path, monkeypatch):
    """A copy of the files that repeat the version, for the tool to change."""
    names = sorted({path for path, _ in version.mentions()})
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(version, "ROOT", tmp_path)
    monkeypatch.setattr(version, "files", lambda: names)


def test_every_file_repeats_the_same_version(checkout):
    mentions = list(version.mentions())
    assert {number for _, number in mentions} == {holm_registry.__version__}
    assert {str(path) for path, _ in mentions} >= REPEATING


def test_no_file_repeats_the_version_where_the_tool_does_not_look(checkout):
    """The version that is left when the tool has set another one was not found by the tool."""
    old = re.compile(rf"(?<![0-9.]){re.escape(holm_registry.__version__)}(?![0-9]|\.[0-9])")
    texts = {path: (ROOT / path).read_text() for path in version.files()}
    assert [path for path, text in texts.items() if old.search(text)]
    assert [
        path for path, text in texts.items() if old.search(version.with_version(text, "98.76.54"))
    ] == []


def test_the_tool_sets_another_version_in_all_of_them(copied, capsys):
    assert version.main(["98.76.54"]) == 0
    assert set(capsys.readouterr().out.split()) >= REPEATING
    assert {number for _, number in version.mentions()} == {"98.76.54"}
    assert version.version() == "98.76.54"


@pytest.mark.parametrize("arguments", [["1.2"], ["v1.2.3"], ["1.2.3", "1.2.4"], ["--help"]])
def test_what_is_no_version_changes_nothing(arguments, copied, capsys):
    assert version.main(arguments) == 2
    assert "usage: " in capsys.readouterr().err
    assert version.version() == holm_registry.__version__


def test_the_licence_is_apache_2_in_all_places():
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == APACHE_SHA256
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["license"] == "Apache-2.0"
    assert setup["metadata"]["license_files"] == "LICENSE"
    label = 'org.opencontainers.image.licenses="Apache-2.0"'
    assert label in (ROOT / "Dockerfile").read_text()
