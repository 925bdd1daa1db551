"""
An index of the rules of one subject, by prefix and suffix of their patterns.

A token request may name hundreds of repositories, and a catalog thousands. With thousands of rules,
a search through all rules for each of them would take seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen


@frozen
class PatternEntry:
    """
    A pattern, and the rules that contain it.

    :ivar literal_length: The number of its characters, without ``*``.
    :ivar regex: The whole pattern; None if prefix and suffix are the whole pattern.
    :ivar positions: The positions of the rules that contain it.
    :ivar actions: The actions that any of these rules allows.
    """

    literal_length: int
    regex: re.Pattern[str] | None
    positions: tuple[int, ...]
    actions: frozenset[str]

    def matches(self, repository: str) -> bool:
        """Return whether a name that has its prefix and its suffix matches the pattern."""
        if self.regex is not None:
            return self.regex.fullmatch(repository) is not None
        # Prefix and suffix must not overlap.
        return len(repository) >= self.literal_length


class _SuffixIndex:
    """The patterns with one prefix, by suffix; the most specific ones first."""

    def __init__(self, entries: Iterable[tuple[str, PatternEntry]]) -> None:
        self._entries: dict[str, list[PatternEntry]] = {}
        for suffix, entry in entries:
            self._entries.setdefault(suffix, []).append(entry)
        for same_suffix in self._entries.values():
            same_suffix.sort(key=lambda entry: -entry.literal_length)
        self._suffix_lengths = sorted(set(map(len, self._entries)))

    def candidates(self, repository: str) -> Iterator[Sequence[PatternEntry]]:
        for length in self._suffix_lengths:
            if length > len(repository):
                return
            entries = self._entries.get(repository[len(repository) - length :])
            if entries is not None:
                yield entries


class RuleIndex:
    """
    Finds the most specific patterns for a name.

    :param patterns: The patterns, each with the position and the actions of its rule.
    """

    def __init__(self, patterns: Iterable[tuple[str, int, frozenset[str]]]) -> None:
        positions: dict[str, dict[int, frozenset[str]]] = {}
        for text, position, actions in patterns:
            positions.setdefault(text, {})[position] = actions
        self._exact: dict[str, PatternEntry] = {}
        by_prefix: dict[str, list[tuple[str, PatternEntry]]] = {}
        for text, rules in positions.items():
            parts = text.split("*")
            entry = PatternEntry(
                sum(map(len, parts)),
                _compile(parts) if len(parts) > 2 else None,
                tuple(rules),
                frozenset().union(*rules.values()),
            )
            if len(parts) == 1:
                self._exact[text] = entry
            else:
                by_prefix.setdefault(parts[0], []).append((parts[-1], entry))
        self._by_prefix = {text: _SuffixIndex(entries) for text, entries in by_prefix.items()}
        self._prefix_lengths = sorted(set(map(len, self._by_prefix)))

    def most_specific(self, repository: str) -> list[PatternEntry]:
        """Return the most specific patterns for a name; several if they are equally specific."""
        exact = self._exact.get(repository)
        if exact is not None:
            return [exact]
        best: list[PatternEntry] = []
        for entries in self.candidates(repository):
            for entry in entries:
                if best and entry.literal_length < best[0].literal_length:
                    break
                if entry.matches(repository):
                    if best and entry.literal_length > best[0].literal_length:
                        best = []
                    best.append(entry)
        return best

    def candidates(self, repository: str) -> Iterator[Sequence[PatternEntry]]:
        """Return the patterns with ``*`` whose prefix and suffix a name has."""
        for length in self._prefix_lengths:
            if length > len(repository):
                return
            suffixes = self._by_prefix.get(repository[:length])
            if suffixes is not None:
                yield from suffixes.candidates(repository)


def _compile(parts: Sequence[str]) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
