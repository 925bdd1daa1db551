"""
The configuration while it is put together: values, where each came from, and what is wrong.
"""

from __future__ import annotations

import difflib
from typing import Any

from attrs import Factory, define, frozen

from .model import Config
from .schema import Path, all_paths, dotted, item_type, keys, section_type, value_type

#: How much of a value to repeat in a message, in characters.
_MAX_SHOWN = 100


@frozen
class ConfigError:
    """
    Something that keeps the registry from starting.

    :ivar path: The key it is about; empty where it is about a whole source.
    :ivar source: Where it came from: a file, a variable, an option.
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
    :ivar values: Nested mappings and lists, by the keys of the file.
    :ivar sources: Where each value came from, by its path or by that of something above it.
    :ivar origin: The file that was read, if any.
    :ivar is_file_valid: Whether the file was read, so that there is a configuration to speak of.
    """

    values: dict[str, Any] = Factory(dict)
    sources: dict[Path, str] = Factory(dict)
    errors: list[ConfigError] = Factory(list)
    warnings: list[str] = Factory(list)
    origin: str = "default"
    is_file_valid: bool = True

    def source_of(self, path: Path) -> str:
        """Tell where the value at a path came from; of a section, where one of its parts did."""
        if path and path not in self.sources:
            below = [known for known in self.sources if known[: len(path)] == path]
            if below:
                return self.sources[below[0]]
        for length in range(len(path), 0, -1):
            if path[:length] in self.sources:
                return self.sources[path[:length]]
        return "default" if path else self.origin

    def set_source(self, path: Path, source: str) -> None:
        """Note where all at and below a path came from."""
        for known in [known for known in self.sources if known[: len(path)] == path]:
            del self.sources[known]
        self.sources[path] = source

    def add_error(self, path: Path, problem: str) -> None:
        """Note what is wrong with the value at a path."""
        self.errors.append(ConfigError(path, self.source_of(path), problem))

    def value_at(self, path: Path) -> Any:
        """Give the value at a path; None where nobody gave one."""
        value: Any = self.values
        for part in path:
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        return value


def shorten(value: object) -> str:
    """Write a value that was given, for a message; the beginning of a long one."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def suggest_key(path: Path) -> str:
    """
    Suggest a known key for an unknown one, as the end of a sentence: one of the same section with
    a similar name, or the only one of this name anywhere.
    """
    hint: Any = Config
    for place, part in enumerate(path):
        section = section_type(hint)
        if section is not None and part not in keys(section):
            close = difflib.get_close_matches(str(part), keys(section), n=1, cutoff=0.6)
            found = [(*path[:place], *close)] if close else _paths_ending_with(path[-1])
            return f"; did you mean {dotted(found[0])}?" if len(found) == 1 else ""
        hint = keys(section)[str(part)].type if section else item_type(hint) or value_type(hint)
    return ""


def _paths_ending_with(name: str | int) -> list[Path]:
    return [known for known in all_paths(Config) if known[-1] == name]
