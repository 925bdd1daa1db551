from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from holm_registry.oci.sizes import Size

from .durations import Duration, format_duration
from .load import LoadedConfig
from .model import Config
from .schema import Path, dotted

_SECRET_KEYS = ("secret", "password", "secretkey", "accountkey", "accesskey", "keyid")


def format_config(loaded: LoadedConfig) -> str:
    """Format a configuration, a line for each key, with the source of its value."""
    rows = list(_rows(loaded, loaded.config, ()))
    width = max(len(left) for left, _ in rows)
    return "".join(f"{left:<{width}}  # {source}\n" for left, source in rows)


def _rows(loaded: LoadedConfig, value: Any, path: Path) -> Iterator[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            below = getattr(value, field.name)
            if below is not None:
                yield from _rows(loaded, below, (*path, field.encode_name))
    elif isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _rows(loaded, below, (*path, str(name)))
    elif isinstance(value, list) and any(isinstance(item, msgspec.Struct) for item in value):
        for index, below in enumerate(value):
            yield from _rows(loaded, below, (*path, index))
    else:
        yield f"{dotted(path)}: {_text(value, path)}", loaded.layers.source_of(path)


def _text(value: Any, path: Path) -> str:
    if value and (path[-1] in _SECRET_KEYS or _is_sent_header(path)):
        return '"********"'
    if isinstance(value, Duration):
        return format_duration(value)
    if isinstance(value, Size):
        return str(int(value))
    return msgspec.json.encode(value).decode()


def _is_sent_header(path: Path) -> bool:
    """Return whether a value is a header sent to other servers, which may contain credentials."""
    return path[0] in ("notifications", "health") and "headers" in path


def changed_keys(before: Config, after: Config) -> list[str]:
    """Return the keys whose values differ in two configurations."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    paths = [*old, *(path for path in new if path not in old)]
    return [dotted(path) for path in paths if old.get(path) != new.get(path)]


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            yield from _leaves(getattr(value, field.name), (*path, field.encode_name))
    else:
        yield path, value
