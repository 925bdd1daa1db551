"""Convert the values of a configuration to the types of their keys."""

from __future__ import annotations

from typing import Any

import msgspec

from .layers import ConfigLayers, shorten, suggest_key
from .scalar import convert_scalar
from .schema import Path, item_type, keys, section_type, value_type


def convert(layers: ConfigLayers, hint: Any, value: Any, path: Path) -> Any:
    """Convert a value to the type of its key; add an error for each part that is not valid."""
    section = section_type(hint)
    if section is not None:
        return _convert_section(layers, section, value, path)
    item, free = item_type(hint), value_type(hint)
    if item is not None:
        return _convert_list(layers, item, value, path)
    if free is not None and hint is not Any:
        if value is None:
            return {}
        if isinstance(value, dict):
            converted = {
                str(name): convert(layers, free, below, (*path, str(name)))
                for name, below in value.items()
            }
            # Invalid values are None.
            return {name: below for name, below in converted.items() if below is not None}
        layers.add_error(path, "expected a mapping of keys to values")
        return {}
    return _convert_scalar(layers, hint, value, path)


def _convert_section(
    layers: ConfigLayers, section: type[msgspec.Struct], value: Any, path: Path
) -> msgspec.Struct:
    if value is None:
        return section()
    if not isinstance(value, dict):
        layers.add_error(path, "expected a section, a mapping of keys to values")
        return section()
    known_keys = keys(section)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(section)}
    converted = {}
    for name, below in value.items():
        path_below = (*path, str(name))
        if name not in known_keys:
            layers.add_error(path_below, f"unknown key{suggest_key(path_below)}")
            continue
        result = convert(layers, known_keys[name].type, below, path_below)
        if result is not None:
            converted[names[name]] = result
    return section(**converted)


def _convert_list(layers: ConfigLayers, item: Any, value: Any, path: Path) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    converted = [convert(layers, item, entry, (*path, index)) for index, entry in enumerate(value)]
    return [entry for entry in converted if entry is not None]


def _convert_scalar(layers: ConfigLayers, hint: Any, value: Any, path: Path) -> Any:
    """Convert a single value; None, which keeps the default, if it is not valid."""
    if value is None or hint is Any:
        return value
    try:
        return convert_scalar(hint, value)
    except ValueError as problem:
        layers.add_error(path, f"{problem}, got {shorten(value)}")
        return None
