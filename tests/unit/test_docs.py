"""What documents say of options, keys, defaults and tests, beside what there is."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from holm_registry import registry_tap, ui_tap
from holm_registry.config.load import load
from holm_registry.config.model import Config
from holm_registry.ui.web.settings import read_settings
from tools import run

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])


def rows(text: str) -> Iterator[list[str]]:
    """Give the cells of each row of each table, without headings and lines between."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def sections(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Give the sections that a value of a type may hold: itself, or the items of a list."""
    if get_origin(kind) in (Annotated, list, Union, types.UnionType):
        for argument in get_args(kind):
            yield from sections(argument)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind


def keys(section: type[msgspec.Struct] = Config, above: str = "") -> Iterator[str]:
    """Give every key that has no keys below."""
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        path = f"{above}{field.encode_name}"
        below = [key for each in sections(hints[field.name]) for key in keys(each, f"{path}.")]
        yield from below or [path]


def documented() -> dict[str, list[str]]:
    """
    Give each key in the first cell of a row with the row's other cells.

    A key without a dot that stands behind another one is beside that one.
    """
    found = {}
    for first, *others in rows(CONFIGURATION.partition("## What works")[2]):
        before = ""
        for key in code(first):
            beside = before and "." not in key and key not in Config.__struct_fields__
            before = f"{before.rpartition('.')[0]}.{key}" if beside else key
            found[before] = others
    return found


def text_below(key: str) -> str:
    """What is said of a key and those below it: the row, and the document that it leads to."""
    said = []
    for above, cells in documented().items():
        if key.startswith(f"{above}."):
            said += cells
            for link in re.findall(r"\]\(([a-z]+\.md)", cells[0]):
                said.append((ROOT / "docs" / link).read_text())
    return " ".join(said)


def is_documented(key: str, not_served: str) -> bool:
    """Tell whether a key has a row, is named in that of one above it, or is said to do nothing."""
    names = key.split(".")
    return (
        key in documented()
        or re.search(rf"`[^`]*\b{names[-1]}\b[^`]*`|\b{names[-1]}:", text_below(key)) is not None
        or any(".".join(names[:end]) in not_served for end in range(1, len(names) + 1))
    )


def test_every_key_of_the_configuration_is_documented():
    not_served = code(CONFIGURATION.partition("## What is refused for now")[2])
    assert [key for key in keys() if not is_documented(key, not_served)] == []


def test_every_documented_key_exists():
    known = list(keys())
    for key in documented():
        assert any(f"{each}.".startswith(f"{key}.") for each in known), key


def value(config: Config, key: str) -> Any:
    found: Any = config
    for name in key.split("."):
        found = getattr(found, name)
    return found


def defaults() -> Iterator[tuple[str, str]]:
    """Give each key with its default, where the last cell of its row is one, or one for each."""
    together: dict[int, list[str]] = {}
    for key, cells in documented().items():
        together.setdefault(id(cells), []).append(key)
    for first, *beside in together.values():
        meaning, default = documented()[first]
        names = [first, *beside]
        if not beside and first not in set(keys()):
            names = [f"{first}.{name}" for name in code(meaning.partition(":")[0])]
        parts = re.split(r"[,;] (?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", default)
        for name, part in zip(names, parts, strict=False):
            # Where nothing is given OpenSSL's context has the version that is documented.
            if len(names) == len(parts) and part[:1] == "`" and name != "http.tls.minimumtls":
                yield name, code(part)[0]


@pytest.mark.parametrize(("key", "default"), list(defaults()))
def test_a_default_is_what_the_document_says(key, default):
    variable = f"REGISTRY_{key.upper().replace('.', '_')}"
    assert value(load(environ={variable: default}).require(), key) == value(load().require(), key)


def test_enough_defaults_are_compared():
    assert len(list(defaults())) > 30


def ui_options() -> list[str]:
    return [f"--{option[0]}" for option in ui_tap.Options.optParameters]


def test_every_option_of_the_ui_is_in_both_tables():
    for document in ("README.md", "docs/ui.md"):
        rows_of = [cells for cells in rows((ROOT / document).read_text()) if "`--" in cells[0]]
        options = [name for cells in rows_of for name in code(cells[0])]
        assert sorted(options) == sorted(ui_options()), document
        for first, second, *_ in rows_of:
            if variables := code(second):
                assert variables == [code(first)[0][2:].upper().replace("-", "_")], document


def test_the_defaults_of_the_ui_are_those_of_its_table():
    given = {}
    for option, *others in rows((ROOT / "docs" / "ui.md").read_text()):
        if option.startswith("`--") and re.fullmatch(r"`[^`]+`", others[1]):
            given[code(option)[0][2:]] = code(others[1])[0]
    assert len(given) > 4
    assert read_settings(given, {}) == read_settings({}, {})
    for name, _, default, *_ in ui_tap.Options.optParameters:
        assert default in (None, given.get(name)), name


def test_every_option_of_the_registry_is_in_the_readme_or_the_documents():
    text = " ".join(path.read_text() for path in DOCUMENTS if path.name != "CHANGELOG.md")
    for name, *_ in registry_tap.Options.optParameters:
        assert f"--{name}" in text, name


def test_every_test_that_a_promise_names_exists():
    text = (ROOT / "docs" / "SECURITY.md").read_text()
    named = re.findall(r"tests/[a-z]+/test_[a-z_]+\.py", text)
    assert len(named) > 15
    for path in named:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_row_of_a_table_has_as_many_cells_as_its_heading(document):
    cells = 0
    for line in document.read_text().splitlines():
        count = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert count in (0, cells) or not cells, line
        cells = count


def test_the_quick_start_shows_what_make_run_prints():
    shown = (ROOT / "README.md").read_text().partition("$ make run\n")[2].partition("```")[0]
    assert shown.strip() == run._greeting("localhost", 5000, 8080).strip()


def test_each_message_that_heads_a_remedy_is_one_of_ours():
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    messages = [message for line in headings for message in code(line)]
    assert len(messages) > 7
    source = "".join(path.read_text() for path in (ROOT / "holm_registry").rglob("*.py"))
    # As Python writes one that goes on in the next line.
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    for message in messages:
        said, *_ = re.split(r" ?\d", message)
        assert said in source, message
