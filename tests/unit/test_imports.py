"""The rooms, and which of them a room may import: the picture of docs/architecture.md."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import holm_registry

ROOT = Path(holm_registry.__file__).parent

#: Room, and the rooms (or single modules) that it may import. A room imports only rooms above it in
#: this table, so there are no circles.
ALLOWED = {
    # Leaves.
    "threads": set(),
    "file_watcher": set(),
    "regular_file": set(),
    "file_lock": {"regular_file"},
    "atomic_file": set(),
    "logs": set(),
    # Values and grammar.
    "oci": set(),
    "config": {"oci.manifest", "oci.numbers", "oci.sizes"},
    # What is stored, and the rules for it.
    "storage": {"file_lock", "oci", "regular_file"},
    "content": {"oci", "storage"},
    "gc": {"content", "oci", "storage"},
    "verify": {"content", "gc.inventory", "oci", "storage"},
    # What serves.
    "http": {"file_watcher", "oci.numbers", "threads"},
    "auth": {"atomic_file", "file_watcher", "regular_file"},
    "notifications": {"file_lock", "regular_file", "threads"},
    "api": {"auth", "content", "http", "notifications.events", "oci", "storage.errors", "threads"},
    "metrics": {"http", "storage", "threads"},
    "health": {"config", "storage", "threads"},
    # The one place where the parts are put together.
    "server": {
        "api",
        "auth",
        "config",
        "content",
        "gc.inventory",
        "health",
        "http",
        "logs",
        "metrics",
        "notifications",
        "oci",
        "storage",
        "threads",
    },
    # The UI.
    "ui.errors": set(),
    "ui.model": {"oci", "ui.errors"},
    "ui.client": {"oci", "ui.errors", "ui.model"},
    "ui.state": {"oci", "threads", "ui.client", "ui.errors", "ui.model"},
    "ui.web": {
        "config.addresses",
        "http",
        "logs",
        "metrics",
        "oci",
        "threads",
        "ui.client",
        "ui.errors",
        "ui.model",
        "ui.state",
    },
    "ui.views": {"ui.model", "ui.state"},
    "ui.pages": {
        "http",
        "ui.client",
        "ui.errors",
        "ui.model",
        "ui.state",
        "ui.views",
        "ui.web",
    },
    "ui.app": {"http", "metrics", "ui.errors", "ui.pages", "ui.web"},
    "ui.builder": {"http", "logs", "threads", "ui.app", "ui.client", "ui.web"},
    # Entry points.
    "registry_tap": {"config", "server"},
    "ui_tap": {"server", "ui.builder", "ui.web"},
    "commands": {
        "atomic_file",
        "auth",
        "config",
        "file_lock",
        "gc",
        "oci",
        "registry_tap",
        "server",
        "storage",
        "verify",
    },
    "cli": {"commands", "logs", "registry_tap", "ui_tap"},
}

#: Rooms that must work without Twisted.
PLAIN = {
    "atomic_file",
    "auth",
    "config",
    "content",
    "file_lock",
    "file_watcher",
    "gc",
    "oci",
    "regular_file",
    "storage",
    "ui.errors",
    "ui.model",
    "verify",
}


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")


def room_of(path: Path) -> str:
    return room_named(".".join(path.relative_to(ROOT).with_suffix("").parts))


def room_named(module: str) -> str:
    """Name the room of a module; the UI's rooms are those within it."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "ui" else parts[0]


def test_the_table_has_no_circles():
    rooms = list(ALLOWED)
    for room, allowed in ALLOWED.items():
        for target in allowed:
            assert rooms.index(room_named(target)) < rooms.index(room), f"{room} imports {target}"


def imported(path: Path):
    package = ["holm_registry", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = Path(*name.split("."), alias.name)
                is_module = (ROOT.parent / inner).is_dir() or (
                    ROOT.parent / inner.with_suffix(".py")
                ).is_file()
                yield f"{name}.{alias.name}" if is_module else name


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_the_picture(path):
    room = room_of(path)
    allowed = ALLOWED[room]
    for name in imported(path):
        if name == "holm_registry" or not name.startswith("holm_registry."):
            continue
        target = name.removeprefix("holm_registry.")
        assert {room_named(target), target} & {room, *allowed}, f"{path}: {name}"


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
