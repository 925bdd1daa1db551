"""What docs/architecture.md and docs/contributing.md say of the code is true."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

import holm_registry

from .test_imports import ALLOWED, PLAIN

PACKAGE = Path(holm_registry.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
ARCHITECTURE = (DOCS / "architecture.md").read_text()
CONTRIBUTING = (DOCS / "contributing.md").read_text()

#: Classes of one name in two rooms: one noun, decoded by the registry and by its UI; and the name
#: that twistd asks a plugin for.
SAME_NOUN = {"Descriptor", "Manifest", "Platform", "Options"}

NEXT = {"activity/", "proxy/", "retention/", "storage/s3/"}
TASKS = re.findall(r"^### (.*?)\n\n(.*?)(?=\n\n#)", CONTRIBUTING, re.DOTALL | re.MULTILINE)


def table(text, head):
    """Give the cells of the table with this head."""
    _, _, below = text.partition(f"| {head} |")
    lines = below.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_rooms_is_that_of_the_imports():
    rows = table(ARCHITECTURE, "room | subject | imports")
    said = {room.strip("`"): set(re.findall("`(.*?)`", imports)) for room, _, imports in rows}
    assert said == ALLOWED
    assert list(said) == list(ALLOWED)


def test_each_room_of_the_picture_is_there_and_none_is_missing():
    picture = ARCHITECTURE.split("```")[1]
    drawn = set(re.findall(r"(?<![/\w])((?:ui/)?[a-z]+)/(?=[ │]|\s)", picture))
    assert drawn == {
        room.replace(".", "/")
        for room in ALLOWED
        if (PACKAGE / room.replace(".", "/")).is_dir() and room != "commands"
    }


def test_every_room_is_in_the_table():
    rooms = {
        path.name.removesuffix(".py")
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} == {room.split(".")[0] for room in ALLOWED}


def test_the_rooms_without_twisted_are_named():
    (said,) = re.findall(
        r"read the environment\.(.*?)work without Twisted", ARCHITECTURE, re.DOTALL
    )
    named = set(re.findall("`(.*?)`", said))
    assert named == {room for room in PLAIN if (PACKAGE / room.replace(".", "/")).is_dir()}


@pytest.mark.parametrize("document", ["architecture.md", "contributing.md"])
def test_each_file_that_is_named_exists(document):
    named = set(re.findall(r"`(\w[\w./]*/[\w.]*)`", (DOCS / document).read_text()))
    assert len(named) > 5
    root = DOCS.parent
    missing = {path for path in named if not ((root / path).exists() or (PACKAGE / path).exists())}
    assert missing <= NEXT


def test_a_common_change_touches_four_files_at_most():
    assert len(TASKS) == 7
    for title, text in TASKS:
        files = re.findall(r"^- `(\S+?)`", text, re.MULTILINE)
        assert 2 <= len(files) <= 4, title


def test_the_names_that_a_task_points_to_are_in_its_files():
    for title, text in TASKS:
        for path, name in re.findall(r"^- `(\S+?)`: (?:the class )?`(\w+)`", text, re.MULTILINE):
            assert f" {name}" in (DOCS.parent / path).read_text(), title


def test_ten_behaviours_are_found_by_the_name_of_a_file():
    rows = table(CONTRIBUTING, "behaviour | file")
    assert len(rows) == 10
    assert all((DOCS.parent / file.strip("`")).is_file() for _, file in rows)


def test_no_two_classes_have_one_name():
    rooms = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                rooms[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name for name, paths in rooms.items() if len(paths) > 1} == SAME_NOUN


@pytest.mark.parametrize("name", sorted(SAME_NOUN - {"Options"}))
def test_a_class_that_has_the_name_of_another_says_so(name):
    module = ast.parse((PACKAGE / "ui/model/documents.py").read_text())
    (found,) = [each for each in module.body if getattr(each, "name", None) == name]
    assert f"holm_registry.oci.{'manifest' if name == 'Manifest' else 'descriptor'}" in (
        ast.get_docstring(found) or ""
    )
