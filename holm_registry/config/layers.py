"""
The layers of a configuration: values, the source of each value, errors and warnings.
"""

from __future__ import annotations

import difflib
from typing import Any

from attrs import Factory, define, frozen

from .model import Config
from .schema import Path, all_paths, dotted, item_type, keys, section_type, value_type

#: The maximum length of a value in a message, in characters.
_MAX_SHOWN = 100


@frozen
class ConfigError:
    """
    An error in the configuration, with which the registry does not start.

    :ivar path: The key; empty if the error concerns a whole source.
    :ivar source: The source of the value: a file, a variable, an option.
    :ivar problem: What is wrong.
    """

    path: Path
    source: str
    problem: str

    def __str__(self) -> str:
        key = f"{dotted(self.path)}: " if self.path else ""
        return f"{key}{self.problem} (from {self.source})"


@define
class ConfigLayers:
    """
    The values of a file, of the environment and of options, merged.

    :ivar values: Nested mappings and lists, by the keys of the file.
    :ivar sources: The source of each value, by its path or the path of a section above it.
    :ivar origin: The source of the file, if there is one.
    :ivar is_file_valid: Whether the file could be parsed; if not, there is nothing to show.
    """

    values: dict[str, Any] = Factory(dict)
    sources: dict[Path, str] = Factory(dict)
    errors: list[ConfigError] = Factory(list)
    warnings: list[str] = Factory(list)
    origin: str = "default"
    is_file_valid: bool = True

    def source_of(self, path: Path) -> str:
        """Return the source of the value at a path; for a section, the source of a value in it."""
        if path and path not in self.sources:
            below = self._sources_below(path)
            if below:
                return self.sources[below[0]]
        for length in range(len(path), 0, -1):
            if path[:length] in self.sources:
                return self.sources[path[:length]]
        return "default" if path else self.origin

    def set_source(self, path: Path, source: str) -> None:
        """Set the source of the values at and below a path."""
        for replaced in self._sources_below(path):
            del self.sources[replaced]
        self.sources[path] = source

    def _sources_below(self, path: Path) -> list[Path]:
        return [below for below in self.sources if below[: len(path)] == path]

    def add_error(self, path: Path, problem: str) -> None:
        """Add an error about the value at a path."""
        self.errors.append(ConfigError(path, self.source_of(path), problem))

    def value_at(self, path: Path) -> Any:
        """Return the value at a path; None if no source sets it."""
        value: Any = self.values
        for part in path:
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        return value


def shorten(value: object) -> str:
    """Return the ``repr`` of a value for a message, cut to a maximum length."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def suggest_key(path: Path) -> str:
    """
    Return the end of a message about an unknown key, with a similar key; empty if there is none.

    The similar key is a key of the same section, or the only key with the same name elsewhere.
    """
    hint: Any = Config
    for position, part in enumerate(path):
        section = section_type(hint)
        if section is not None and part not in keys(section):
            close = difflib.get_close_matches(str(part), keys(section), n=1, cutoff=0.6)
            similar = [(*path[:position], *close)] if close else _paths_ending_with(path[-1])
            return f"; did you mean {dotted(similar[0])}?" if len(similar) == 1 else ""
        hint = keys(section)[str(part)].type if section else item_type(hint) or value_type(hint)
    return ""


def _paths_ending_with(name: str | int) -> list[Path]:
    return [path for path in all_paths(Config) if path[-1] == name]
