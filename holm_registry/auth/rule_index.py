"""
The rules of one subject, found by what their patterns begin and end with.

A token may be asked for with hundreds of names, and a list has thousands: looking through all rules
for each of them takes seconds where there are thousands of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen


@frozen
class Entry:
    """
    A pattern, with all that has it.

    :ivar letters: How many letters it has beside its stars.
    :ivar middle: What a name must match as well; None where its beginning and end are all there is.
    :ivar places: The places of the rules that have it.
    :ivar actions: What any of these allows.
    """

    letters: int
    middle: re.Pattern[str] | None
    places: tuple[int, ...]
    actions: frozenset[str]

    def matches(self, repository: str) -> bool:
        """Tell whether it matches a name that begins and ends as it does."""
        if self.middle is not None:
            return self.middle.fullmatch(repository) is not None
        # Its beginning and its end may not overlap.
        return len(repository) >= self.letters


class _ByEnd:
    """Entries with one beginning, by their ends, the most specific first."""

    def __init__(self, entries: Iterable[tuple[str, Entry]]) -> None:
        self._entries: dict[str, list[Entry]] = {}
        for end, entry in entries:
            self._entries.setdefault(end, []).append(entry)
        for same in self._entries.values():
            same.sort(key=lambda entry: -entry.letters)
        self._lengths = sorted(set(map(len, self._entries)))

    def candidates(self, repository: str) -> Iterator[Sequence[Entry]]:
        for length in self._lengths:
            if length > len(repository):
                return
            found = self._entries.get(repository[len(repository) - length :])
            if found is not None:
                yield found


class RuleIndex:
    """
    Finds the most specific patterns for a name.

    :param patterns: Each pattern with the place of the rule that has it, and what that allows.
    """

    def __init__(self, patterns: Iterable[tuple[str, int, frozenset[str]]]) -> None:
        places: dict[str, dict[int, frozenset[str]]] = {}
        for text, place, actions in patterns:
            places.setdefault(text, {})[place] = actions
        self._names: dict[str, Entry] = {}
        by_beginning: dict[str, list[tuple[str, Entry]]] = {}
        for text, rules in places.items():
            parts = text.split("*")
            entry = Entry(
                sum(map(len, parts)),
                _compiled(parts) if len(parts) > 2 else None,
                tuple(rules),
                frozenset().union(*rules.values()),
            )
            if len(parts) == 1:
                self._names[text] = entry
            else:
                by_beginning.setdefault(parts[0], []).append((parts[-1], entry))
        self._patterns = {text: _ByEnd(entries) for text, entries in by_beginning.items()}
        self._lengths = sorted(set(map(len, self._patterns)))

    def most_specific(self, repository: str) -> list[Entry]:
        """Give the most specific pattern that a name matches, or several that are equally so."""
        name = self._names.get(repository)
        if name is not None:
            return [name]
        best: list[Entry] = []
        for entries in self.candidates(repository):
            for entry in entries:
                if best and entry.letters < best[0].letters:
                    break
                if entry.matches(repository):
                    best = [*(best if best and best[0].letters == entry.letters else ()), entry]
        return best

    def candidates(self, repository: str) -> Iterator[Sequence[Entry]]:
        """Give the patterns with stars that begin and end as a name does."""
        for length in self._lengths:
            if length > len(repository):
                return
            found = self._patterns.get(repository[:length])
            if found is not None:
                yield from found.candidates(repository)


def _compiled(parts: Sequence[str]) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
