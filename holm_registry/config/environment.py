"""
``REGISTRY_*`` environment variables, with the rule of registry:2: the parts of the name between
underscores are the keys, and the value is YAML.

Differences from registry:2: variables for mappings with free keys never fail, both the name of Go's
field and the key of the file are accepted, and a header in different case replaces the existing
one. Variables that Kubernetes sets for services named ``registry…`` are ignored.

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

#: The variable with the path of the configuration file; it does not set a key.
CONFIGURATION_PATH = "REGISTRY_CONFIGURATION_PATH"

_SERVICE = re.compile(
    r"REGISTRY(_.*)?_("
    r"SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
_BARE_STAR = re.compile(r"(?<=[\[,])(\s*)\*(\s*)(?=[,\]])")


class _UnknownKey(Exception):
    """The name of a variable does not match any key."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


def apply_environment(layers: ConfigLayers, environ: Mapping[str, str]) -> None:
    """Set the values of all ``REGISTRY_*`` variables, sorted by name."""
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
    Parse the value of a variable: as a string if the key takes one, as YAML otherwise.

    Quoted strings and blocks are parsed as YAML. A list of strings may be a single string, and its
    entries may begin with characters that have a meaning in YAML (``[*, @a, %b]``).

    :param hint: The type of the key.
    :raises YamlInvalid: The value is not valid YAML.
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
    """Parse a string: plain text, or a quoted string or block of YAML."""
    start = text.lstrip()
    if start.startswith(('"', "'", "!!")) or (start[0] in "|>" and "\n" in text):
        try:
            value = parse_yaml(text)
        except YamlInvalid:
            value = None
        if isinstance(value, str):
            return value
    return text.strip()


def _parse_strings(text: str) -> Any:
    """Parse strings: a list of YAML, or a single string."""
    stripped = text.strip()
    try:
        value = parse_yaml(_BARE_STAR.sub(r"\1'*'\2", text))
    except YamlInvalid:
        value = None
    is_list = stripped.startswith("[") and stripped.endswith("]")
    inner = stripped[1:-1] if is_list else stripped
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    if value is not None and (inner.startswith("{") or (is_list and re.search(r"[\[{]", inner))):
        # Not strings: the conversion to the key's type reports it.
        return value
    if is_list:
        return [_parse_string(entry) for entry in inner.split(",") if entry.strip()]
    return [_parse_string(text)]


def _report_unknown(layers: ConfigLayers, name: str, parts: list[str], path: Path) -> None:
    if any(parts[0] in key.names for key in keys(Config).values()):
        source = f"environment variable {name}"
        layers.errors.append(ConfigError(path, source, f"unknown key{suggest_key(path)}"))
    else:
        layers.warnings.append(f"ignoring environment variable {name}: it names no known key")


def _resolve_path(values: Any, parts: list[str]) -> tuple[Path, Any]:
    """
    Return the path and the type of the key that the parts of a variable's name mean.

    :param values: The present values, for free keys and the lengths of lists.
    """
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
    index = parse_decimal(text)
    if index is None or index > length:
        raise ValueError(f"{text!r} is not an index of the list; the next index is {length}")
    return index


def _free_key(values: Any, rest: list[str], value: Any) -> tuple[str, Any, list[str]]:
    """Return the free key of a mapping: an existing one, ignoring case, or a new one."""
    existing = {key.upper(): key for key in values} if isinstance(values, dict) else {}
    name = "_".join(rest)
    if name.upper() in existing:
        return existing[name.upper()], value, []
    if value is Any or item_type(value) is None:
        return existing.get(rest[0].upper(), rest[0].lower()), value, rest[1:]
    return name.lower(), value, []


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
            # A plain name, as in "storage: inmemory", means an empty section.
            below = {below: {}} if isinstance(below, str) and isinstance(empty, dict) else empty
            _put(values, part, below)
        values = below
    _put(values, path[-1], value)


def _put(values: Any, part: str | int, value: Any) -> None:
    if isinstance(values, list) and part == len(values):
        values.append(value)
    else:
        values[part] = value
