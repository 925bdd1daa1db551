"""The rooms of the house, and who may know whom: the picture in the README of docs/."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import holm_registry

ROOT = Path(holm_registry.__file__).parent

#: Room, and the rooms it may import.
ALLOWED = {
    "oci": set(),
    "config": {"oci.manifest", "oci.numbers", "oci.sizes"},
    "threads": set(),
    "flock": {"regular"},
    "regular": set(),
    "logs": set(),
    "storage": {"flock", "oci", "regular"},
    "content": {"oci", "storage"},
    "maintenance": {"content", "oci", "storage"},
    "watched": set(),
    "http": {"oci.numbers", "threads", "watched"},
    "auth": {"regular", "watched"},
    "auditing": {"events.envelope", "http", "logs", "threads"},
    "access": {"api", "auth", "config", "http.request", "storage", "threads"},
    "events": {"flock", "regular", "threads"},
    "notifying": {"config", "events", "storage", "threads"},
    "api": {"auth", "events.envelope", "content", "http", "oci", "storage.errors", "threads"},
    "metrics": {"http", "storage", "threads"},
    "health": {"config", "storage", "threads"},
    "debug": {"health", "http", "metrics.route", "threads"},
    "census": {"content.quotas", "maintenance.reading", "oci", "storage", "threads"},
    "figures": {
        "api",
        "content.quotas",
        "events",
        "http",
        "logs.queued",
        "metrics",
        "storage",
        "threads",
        "upkeep",
    },
    "listen": {"config", "http.site"},
    "service": {
        "access",
        "api",
        "auditing",
        "census",
        "config",
        "content",
        "debug",
        "events.envelope",
        "figures",
        "health",
        "http",
        "logs",
        "notifying",
        "storage",
        "threads",
        "upkeep",
    },
    "upkeep": set(),
    "commands": {
        "access",
        "auth",
        "config",
        "flock",
        "maintenance",
        "oci",
        "registry_tap",
        "service",
        "storage",
    },
    "serving": {"http", "listen"},
    "lifecycle": {"logs.queued", "threads"},
    "startup": {"logs"},
    "hangup": {"logs"},
    "reload": {"auditing", "config", "http", "logs", "service"},
    "registry_tap": {
        "access",
        "config",
        "hangup",
        "http.tls",
        "lifecycle",
        "listen",
        "reload",
        "service",
        "serving",
        "startup",
        "storage.access",
        "threads",
    },
    "ui": {"config.addresses", "http", "logs", "metrics", "oci", "threads"},
    "ui_tap": {"hangup", "lifecycle", "listen", "serving", "startup", "ui"},
    "cli": {"commands", "config", "logs", "registry_tap", "ui_tap"},
}

#: Rooms that must work without Twisted.
PLAIN = {
    "flock",
    "regular",
    "oci",
    "config",
    "storage",
    "content",
    "maintenance",
    "auth",
    "watched",
}


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path):
    package = ["holm_registry", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_the_picture(path):
    room = room_of(path)
    allowed = ALLOWED[room]
    for name in imported(path):
        if name == "holm_registry" or not name.startswith("holm_registry."):
            continue
        target = name.removeprefix("holm_registry.")
        assert target.split(".")[0] in {room, *allowed} or target in allowed, f"{path}: {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_taps_import_the_reactor_or_read_the_environment(path):
    source = path.read_text()
    if room_of(path) not in {"registry_tap", "ui_tap", "cli", "commands"}:
        assert "import reactor" not in source
        assert "os.environ" not in source
    if room_of(path) in PLAIN:
        names = list(imported(path))
        assert not any(name.split(".")[0] in {"twisted", "klein", "zope"} for name in names)


def test_the_driver_of_the_api_is_never_a_concrete_one():
    for path in (ROOT / "api").glob("*.py"):
        assert not {"holm_registry.storage.filesystem", "holm_registry.storage.memory"} & set(
            imported(path)
        )
