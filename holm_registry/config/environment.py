"""
``REGISTRY_*`` variables, by registry:2's rule: split at underscores, walk down the fields, read the
rest as YAML.

Its traps are mended: a variable for a free mapping never panics, both a field's name and its key in
the file are understood, and a header named in another case replaces rather than doubles. Variables
that Kubernetes sets for services whose names begin with ``registry`` are none of ours.

:see: distribution, ``configuration/parser.go``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from holm_registry.oci.numbers import parse_decimal

from .layers import ConfigError, ConfigLayers, suggest_key
from .model import Config
from .parse import YamlInvalid, parse_yaml
from .schema import Path, is_scalar, item_type, keys, section_type, value_type

PREFIX = "REGISTRY_"

#: Says which file to read, and is no key itself.
CONFIGURATION_PATH = "REGISTRY_CONFIGURATION_PATH"

_SERVICE = re.compile(
    r"REGISTRY(_.*)?_("
    r"SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_BARE_STAR = re.compile(r"(?<=[\[,])(\s*)\*(\s*)(?=[,\]])")


class _UnknownKey(Exception):
    """A variable names nothing known."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


def apply_environment(layers: ConfigLayers, environ: Mapping[str, str]) -> None:
    """Lay all ``REGISTRY_*`` variables over a tree, in the order of their names."""
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == CONFIGURATION_PATH or _SERVICE.fullmatch(name):
            continue
        parts = name.removeprefix(PREFIX).split("_")
        source = f"environment variable {name}"
        try:
            path, hint = _resolve_path(layers.values, parts)
        except _UnknownKey as unknown:
            _report_unknown(layers, name, parts, unknown.path)
        except (ValueError, IndexError) as problem:
            layers.errors.append(ConfigError((), source, str(problem)))
        else:
            try:
                value = parse_value(environ[name].removeprefix("\ufeff"), hint)
            except YamlInvalid as problem:
                path = (*path, *problem.path)
                text = f"does not parse as YAML: {problem}" if not problem.path else str(problem)
                layers.errors.append(ConfigError(path, source, text))
            else:
                _set(layers.values, path, value)
                layers.set_source(path, source)


def parse_value(text: str, hint: Any = Any) -> Any:
    """
    Read a variable's value: as text where its key takes a text, else as YAML.

    A text in quotes is what YAML reads in them. A list of texts may be one text alone, and its
    entries may begin with what YAML gives a meaning to (``[*, @a, %b]``).

    :param hint: The type of the key.
    :raises YamlInvalid: It is neither.
    """
    item = item_type(hint)
    if not text.strip():
        return None
    if hint is not Any and item is None and is_scalar(hint):
        return _parse_string(text)
    if item is not None and is_scalar(item):
        return _parse_strings(text)
    try:
        return parse_yaml(_BARE_STAR.sub(r"\1'*'\2", text))
    except YamlInvalid:
        if hint is Any:
            return text.strip()
        raise


def _parse_string(text: str) -> str:
    """Read a text, which may be in quotes, or a block as YAML has them."""
    start = text.lstrip()
    if start.startswith(('"', "'", "!!")) or (start[0] in "|>" and "\n" in text):
        try:
            found = parse_yaml(text)
        except YamlInvalid:
            found = None
        if isinstance(found, str):
            return found
    return text.strip()


def _parse_strings(text: str) -> Any:
    """Read texts: a list as YAML has them, or one alone."""
    stripped = text.strip()
    try:
        found = parse_yaml(_BARE_STAR.sub(r"\1'*'\2", text))
    except YamlInvalid:
        found = None
    is_list = stripped.startswith("[") and stripped.endswith("]")
    inner = stripped[1:-1] if is_list else stripped
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return found
    if found is not None and (inner.startswith("{") or (is_list and re.search(r"[\[{]", inner))):
        # Something else than texts, which is complained of as such.
        return found
    if is_list:
        return [_parse_string(each) for each in inner.split(",") if each.strip()]
    return [_parse_string(text)]


def _report_unknown(layers: ConfigLayers, name: str, parts: list[str], path: Path) -> None:
    if any(parts[0] in key.names for key in keys(Config).values()):
        source = f"environment variable {name}"
        layers.errors.append(ConfigError(path, source, f"unknown key{suggest_key(path)}"))
    else:
        layers.warnings.append(f"ignoring environment variable {name}: it names no known key")


def _resolve_path(values: Any, parts: list[str]) -> tuple[Path, Any]:
    """Find the path that a variable's parts mean, and its type, given what the tree holds."""
    if parts == ["VERSION"]:
        raise ValueError("version cannot be overridden")
    hint: Any = Config
    path: Path = ()
    rest = list(parts)
    while rest:
        part, hint, rest = _next_key(hint, values, rest, path)
        path = (*path, part)
        values = _child(values, part)
    return path, hint


def _next_key(
    hint: Any, values: Any, rest: list[str], path: Path
) -> tuple[str | int, Any, list[str]]:
    section = section_type(hint)
    if section is not None:
        for key in keys(section).values():
            if rest[0] in key.names:
                return key.name, key.type, rest[1:]
        raise _UnknownKey((*path, *(part.lower() for part in rest)))
    item = item_type(hint)
    if item is not None:
        return _index(values, rest[0]), item, rest[1:]
    value = value_type(hint)
    if value is None:
        raise _UnknownKey((*path, *(part.lower() for part in rest)))
    return _free_key(values, rest, value)


def _index(values: Any, text: str) -> int:
    length = len(values) if isinstance(values, list) else 0
    place = parse_decimal(text)
    if place is None or place > length:
        raise ValueError(f"{text!r} is no place in a list of {length}; the next one is {length}")
    return place


def _free_key(values: Any, rest: list[str], value: Any) -> tuple[str, Any, list[str]]:
    """Find the key of a mapping that may have any: a known one in whatever case, or a new one."""
    known = {key.upper(): key for key in values} if isinstance(values, dict) else {}
    whole = "_".join(rest)
    if whole.upper() in known:
        return known[whole.upper()], value, []
    if value is Any or item_type(value) is None:
        return known.get(rest[0].upper(), rest[0].lower()), value, rest[1:]
    return whole.lower(), value, []


def _child(values: Any, part: str | int) -> Any:
    if isinstance(values, dict):
        return values.get(part)
    if isinstance(values, list) and isinstance(part, int) and part < len(values):
        return values[part]
    return None


def _set(values: Any, path: Path, value: Any) -> None:
    for part, following in pairwise(path):
        below = _child(values, part)
        empty: Any = [] if isinstance(following, int) else {}
        if not isinstance(below, type(empty)):
            # A bare name, as in "storage: inmemory", stands for a section with nothing in it.
            below = {below: {}} if isinstance(below, str) and isinstance(empty, dict) else empty
            _put(values, part, below)
        values = below
    _put(values, path[-1], value)


def _put(values: Any, part: str | int, value: Any) -> None:
    if isinstance(values, list) and part == len(values):
        values.append(value)
    else:
        values[part] = value
