"""
What the types of :mod:`.model` say of the tree: which keys a section has, what lies under a key.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from attrs import frozen

#: The way to a place in the tree: keys, and numbers for the entries of lists.
Path = tuple[str | int, ...]


@frozen
class Key:
    """
    One key of a section.

    :ivar names: What an environment variable may call it, in capitals.
    """

    name: str
    type: Any
    names: frozenset[str]


@cache
def keys(section: type[msgspec.Struct]) -> dict[str, Key]:
    """Give the keys of a section by name."""
    hints = get_type_hints(section, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(section):
        hint = hints[field.name]
        names = {field.encode_name.upper(), *_go_names(hint)}
        found[field.encode_name] = Key(field.encode_name, _unwrap(hint), frozenset(names))
    return found


def section_type(hint: Any) -> type[msgspec.Struct] | None:
    """Give the section a type stands for, if it is one."""
    hint = _unwrap(hint)
    return hint if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else None


def item_type(hint: Any) -> Any:
    """Give the type of a list's entries, or None for what is no list."""
    hint = _unwrap(hint)
    return get_args(hint)[0] if get_origin(hint) is list else None


def is_scalar(hint: Any) -> bool:
    """Tell whether a type is that of one plain value: no section, list or mapping."""
    return section_type(hint) is None and item_type(hint) is None and value_type(hint) is None


def value_type(hint: Any) -> Any:
    """Give the type of a mapping's values, or None for what is no mapping with free keys."""
    hint = _unwrap(hint)
    if hint is Any:
        return Any
    return get_args(hint)[1] if get_origin(hint) is dict else None


def dotted(path: Path) -> str:
    """Write a path as people do: ``http.headers``, ``health.file[0].file``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def all_paths(section: type[msgspec.Struct], above: Path = ()) -> Iterator[Path]:
    """Give the path of every key, sections included."""
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
    """Take ``Optional`` and notes off a type, leaving bounds for its conversion."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(_unwrap(arg) for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is Annotated and any(_go_names(hint)):
        return get_args(hint)[0]
    return hint
