from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from holm_registry.cli import main

#: Not what this machine may have at a default place.
FILE = str(Path(__file__).parents[2] / "docs" / "config-example.yml")


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command here; give its status, and what it printed."""
    for name in [name for name in os.environ if name.startswith("REGISTRY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("REGISTRY_CONFIGURATION_PATH", FILE)

    def run(*words):
        capsys.readouterr()
        try:
            status = main(list(map(str, words)))
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=said.out, stderr=said.err)

    return run
