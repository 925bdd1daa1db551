"""What is said of a value, a key or a file that cannot be: what there may be instead."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

from holm_registry.config.durations import Duration
from holm_registry.config.load import ConfigFile, load
from holm_registry.config.model import Config
from holm_registry.config.scalar import MAX_NUMBER
from holm_registry.config.schema import dotted, item_type, keys, section_type
from holm_registry.oci.sizes import Size


def leaves(hint=Config, path=()):
    """Give the path and the type of each plain value, those of lists at their first place."""
    section, item = section_type(hint), item_type(hint)
    if section is not None:
        for key in keys(section).values():
            yield from leaves(key.type, (*path, key.name))
    elif item is not None:
        yield from leaves(item, (*path, 0))
    else:
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        yield path, bare


LEAVES = dict(leaves())


def complaints(path, value):
    """Load a configuration with one value at a path; give what is said of that value."""
    tree: Any = value
    for part in reversed(path):
        tree = [tree] if isinstance(part, int) else {part: tree}
    environ = {f"REGISTRY_{path[0].upper()}": as_yaml(tree[path[0]])}
    found = [str(each) for each in load(None, environ).layers.errors]
    return [each for each in found if each.startswith(f"{dotted(path)}: ")]


def as_yaml(tree):
    if isinstance(tree, dict):
        return f"{{{', '.join(f'{name}: {as_yaml(each)}' for name, each in tree.items())}}}"
    if isinstance(tree, list):
        return f"[{', '.join(map(as_yaml, tree))}]"
    return tree


def of(*types):
    return [path for path, hint in LEAVES.items() if hint in types and path != ("version",)]


@pytest.mark.parametrize(
    "path", [path for path, hint in LEAVES.items() if get_origin(hint) is Literal], ids=dotted
)
def test_a_key_of_few_values_names_them(path):
    allowed = ", ".join(filter(None, get_args(LEAVES[path])))
    for value in ("5", "WARN", "nonsense"):
        (found,) = complaints(path, value)
        assert f"expected one of {allowed}, got {value!r}" in found


@pytest.mark.parametrize("path", of(int, float, Duration, Size), ids=dotted)
def test_no_number_is_without_a_bound(path):
    assert complaints(path, "100s" if LEAVES[path] is Duration else "100") == []
    for value in (20 * "9", 400 * "9", "1e400", "inf", "nan", "-" + 20 * "9"):
        assert complaints(path, value), value


@pytest.mark.parametrize("path", of(int, float), ids=dotted)
def test_a_number_that_is_too_large_is_told_the_largest(path):
    assert complaints(path, str(MAX_NUMBER)) == []
    (found,) = complaints(path, str(MAX_NUMBER + 1))
    assert f"of at most {MAX_NUMBER}, got '{MAX_NUMBER + 1}'" in found


@pytest.mark.parametrize("path", of(int, float, bool, str), ids=dotted)
def test_no_message_speaks_of_types_of_a_program(path):
    for value in ("[a]", "{a: b}", "maybe"):
        for found in complaints(path, value):
            assert "`" not in found
            assert "array" not in found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("http: {1: x}", "http.1: unknown key (from"),
        ("http: {'': x}", "http.: unknown key (from"),
        ("http: {1.5: x}", "http.1.5: unknown key (from"),
        ("http: {zzzz: x}", "http.zzzz: unknown key (from"),
        ("http: {addres: x}", "http.addres: unknown key; did you mean http.addr? (from"),
        ("http: {maxtags: 5}", "http.maxtags: unknown key; did you mean tags.maxtags? (from"),
        ("http: {enabled: x}", "http.enabled: unknown key (from"),
        ("access: [{subject: [a]}]", "access[0].subject: unknown key; did you mean access[0].subj"),
        (
            "health: {http: [{url: x}]}",
            "health.http[0].url: unknown key; did you mean health.http[0].uri? (from",
        ),
    ],
)
def test_only_what_is_like_an_unknown_key_is_proposed(text, complaint):
    found = load(ConfigFile("/c.yml", f"version: 0.1\n{text}")).layers.errors
    assert any(str(each).startswith(complaint) for each in found), list(map(str, found))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (
            "REGISTRY_HTTP_LIMITS_BODI",
            "http.limits.bodi: unknown key; did you mean http.limits.body?",
        ),
        ("REGISTRY_HTTP_TLSS_KEY", "http.tlss.key: unknown key; did you mean http.tls?"),
        ("REGISTRY_HTTP_5", "http.5: unknown key (from"),
    ],
)
def test_so_it_is_with_variables(name, complaint):
    (found,) = load(None, {name: "x"}).layers.errors
    assert str(found).startswith(complaint)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("text", "a text"), ("5", "a text"), ("true", "a text"), ("[]", "a list")),
        ("- version: 0.1", "a list"),
        *((text, "empty") for text in ("", "\n", "# version: 0.1", "null", "---")),
    ],
)
def test_a_file_that_is_no_mapping_is_told_what_it_is(text, kind):
    (found,) = load(ConfigFile("/c.yml", text)).layers.errors
    assert str(found).startswith(f"the file is {kind}")
    assert str(found).endswith("it begins with version: 0.1 (from file /c.yml)")
