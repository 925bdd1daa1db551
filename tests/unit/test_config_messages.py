"""Messages about invalid values, unknown keys and files name what is valid."""

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
    """Return the path and the type of each single value; of lists, the first entry."""
    section, item = section_type(hint), item_type(hint)
    if section is not None:
        for key in keys(section).values():
            yield from leaves(key.type, (*path, key.name))
    elif item is not None:
        yield from leaves(item, (*path, 0))
    else:
        plain_type = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        yield path, plain_type


LEAVES = dict(leaves())


def errors(path, value):
    """Load a configuration with one value at a path; return the errors about that value."""
    values: Any = value
    for part in reversed(path):
        values = [values] if isinstance(part, int) else {part: values}
    environ = {f"REGISTRY_{path[0].upper()}": as_yaml(values[path[0]])}
    messages = [str(error) for error in load(None, environ).layers.errors]
    return [message for message in messages if message.startswith(f"{dotted(path)}: ")]


def as_yaml(tree):
    if isinstance(tree, dict):
        return f"{{{', '.join(f'{name}: {as_yaml(each)}' for name, each in tree.items())}}}"
    if isinstance(tree, list):
        return f"[{', '.join(map(as_yaml, tree))}]"
    return tree


def paths_of(*types):
    return [path for path, hint in LEAVES.items() if hint in types and path != ("version",)]


@pytest.mark.parametrize(
    "path", [path for path, hint in LEAVES.items() if get_origin(hint) is Literal], ids=dotted
)
def test_the_message_names_the_choices_of_a_key(path):
    allowed = ", ".join(filter(None, get_args(LEAVES[path])))
    for value in ("5", "WARN", "nonsense"):
        (found,) = errors(path, value)
        assert f"expected one of {allowed}, got {value!r}" in found


@pytest.mark.parametrize("path", paths_of(int, float, Duration, Size), ids=dotted)
def test_every_number_has_a_maximum(path):
    assert errors(path, "100s" if LEAVES[path] is Duration else "100") == []
    for value in (20 * "9", 400 * "9", "1e400", "inf", "nan", "-" + 20 * "9"):
        assert errors(path, value), value


@pytest.mark.parametrize("path", paths_of(int, float), ids=dotted)
def test_the_message_about_a_too_large_number_names_the_maximum(path):
    assert errors(path, str(MAX_NUMBER)) == []
    (found,) = errors(path, str(MAX_NUMBER + 1))
    assert f"of at most {MAX_NUMBER}, got '{MAX_NUMBER + 1}'" in found


@pytest.mark.parametrize("path", paths_of(int, float, bool, str), ids=dotted)
def test_no_message_names_types_of_a_program(path):
    for value in ("[a]", "{a: b}", "maybe"):
        for found in errors(path, value):
            assert "`" not in found
            assert "array" not in found


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_similar_keys_are_suggested(text, message):
    found = load(ConfigFile("/c.yml", f"version: 0.1\n{text}")).layers.errors
    assert any(str(each).startswith(message) for each in found), list(map(str, found))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "REGISTRY_HTTP_LIMITS_BODI",
            "http.limits.bodi: unknown key; did you mean http.limits.body?",
        ),
        ("REGISTRY_HTTP_TLSS_KEY", "http.tlss.key: unknown key; did you mean http.tls?"),
        ("REGISTRY_HTTP_5", "http.5: unknown key (from"),
    ],
)
def test_similar_keys_are_suggested_for_variables(name, message):
    (found,) = load(None, {name: "x"}).layers.errors
    assert str(found).startswith(message)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("text", "a string"), ("5", "a string"), ("true", "a string"), ("[]", "a list")),
        ("- version: 0.1", "a list"),
        *((text, "empty") for text in ("", "\n", "# version: 0.1", "null", "---")),
    ],
)
def test_the_message_about_a_file_that_is_not_a_mapping_names_its_kind(text, kind):
    (found,) = load(ConfigFile("/c.yml", text)).layers.errors
    assert str(found).startswith(f"the file is {kind}")
    assert str(found).endswith("it must begin with version: 0.1 (from file /c.yml)")
