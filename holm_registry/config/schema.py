"""
The schema of the configuration, derived from the types of :mod:`.model`.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from attrs import frozen

#: The path of a value: keys of mappings and indexes of lists.
Path = tuple[str | int, ...]


@frozen
class Key:
    """
    One key of a section.

    :ivar names: Its names in environment variables, in upper case.
    """

    name: str
    type: Any
    names: frozenset[str]


@cache
def keys(section: type[msgspec.Struct]) -> dict[str, Key]:
    """Return the keys of a section by name."""
    hints = get_type_hints(section, include_extras=True)
    keys_by_name = {}
    for field in msgspec.structs.fields(section):
        hint = hints[field.name]
        names = {field.encode_name.upper(), *_go_names(hint)}
        keys_by_name[field.encode_name] = Key(field.encode_name, _unwrap(hint), frozenset(names))
    return keys_by_name


def section_type(hint: Any) -> type[msgspec.Struct] | None:
    """Return the type of a section; None for another type."""
    hint = _unwrap(hint)
    return hint if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else None


def item_type(hint: Any) -> Any:
    """Return the type of a list's entries; None for another type."""
    hint = _unwrap(hint)
    return get_args(hint)[0] if get_origin(hint) is list else None


def is_scalar(hint: Any) -> bool:
    """Return whether a type is that of a single value: not a section, list or mapping."""
    return section_type(hint) is None and item_type(hint) is None and value_type(hint) is None


def value_type(hint: Any) -> Any:
    """Return the type of the values of a mapping with free keys; None for another type."""
    hint = _unwrap(hint)
    if hint is Any:
        return Any
    return get_args(hint)[1] if get_origin(hint) is dict else None


def dotted(path: Path) -> str:
    """Format a path: ``http.headers``, ``health.file[0].file``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def all_paths(section: type[msgspec.Struct], above: Path = ()) -> Iterator[Path]:
    """Return the paths of all keys and sections."""
    for key in keys(section).values():
        yield (*above, key.name)
        below = section_type(key.type)
        if below is not None:
            yield from all_paths(below, (*above, key.name))


def _go_names(hint: Any) -> Iterator[str]:
    if get_origin(hint) is Annotated:
        for meta in get_args(hint)[1:]:
            if isinstance(meta, msgspec.Meta) and meta.extra is not None and "go" in meta.extra:
                yield meta.extra["go"]


def _unwrap(hint: Any) -> Any:
    """Remove ``Optional`` and Go names from a type; keep bounds, which the conversion checks."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(_unwrap(arg) for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is Annotated and any(_go_names(hint)):
        return get_args(hint)[0]
    return hint
