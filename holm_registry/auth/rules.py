"""
Who may do what: rules of subjects, repositories and actions.

A user is several subjects: themselves, each of their groups, and everybody (``anonymous``). For
each of these, the rules with the most specific pattern for the repository count, and no others; a
user may do what they allow to any of these subjects. What none allows is denied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from attrs import frozen

from .rule_index import Entry, RuleIndex

#: The subject that is everybody, with or without a login.
EVERYBODY = "anonymous"

#: How many decisions to remember.
_REMEMBERED = 8192


@frozen
class RepositoryPattern:
    """A pattern for repositories: ``*`` is any text, slashes included; all else is itself."""

    text: str

    def matches(self, repository: str) -> bool:
        """Tell whether a repository's name is one of these."""
        return _compiled(self.text).fullmatch(repository) is not None

    @property
    def rank(self) -> tuple[bool, int]:
        """How specific it is: a name before any pattern, and more letters before fewer."""
        return ("*" not in self.text, len(self.text.replace("*", "")))


@lru_cache(maxsize=_REMEMBERED)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


@frozen
class RuleScope:
    """What may be done where, to whoever it belongs."""

    patterns: tuple[RepositoryPattern, ...]
    actions: frozenset[str]

    def allows(self, repository: str, action: str) -> bool:
        """Tell whether this may be done."""
        return action in self.actions and any(each.matches(repository) for each in self.patterns)

    def __str__(self) -> str:
        patterns = ", ".join(pattern.text for pattern in self.patterns)
        return f"{', '.join(sorted(self.actions, key=_order)) or 'nothing'} in {patterns}"


def _order(action: str) -> int:
    return ("pull", "push", "delete").index(action)


@frozen
class Rule:
    """
    One line of ``access``.

    :ivar catalog: Whether its subjects may list the catalog.
    """

    subjects: frozenset[str]
    patterns: tuple[RepositoryPattern, ...]
    actions: frozenset[str]
    catalog: bool = False

    def __str__(self) -> str:
        parts = [str(RuleScope(self.patterns, self.actions))] if self.patterns else []
        parts += ["list the catalog"] if self.catalog else []
        return f"{', '.join(sorted(self.subjects))} may {' and '.join(parts)}"


@frozen
class Decision:
    """
    Whether something is allowed, and why.

    :ivar rules: The rules that decided; none where none speaks of it.
    """

    allowed: bool
    rules: tuple[Rule, ...] = ()


class Rules:
    """
    All rules together.

    :param rules: None: whoever has a login may do everything, and others nothing.
    :param groups: The users of each group.
    """

    def __init__(
        self,
        rules: Sequence[Rule] | None = None,
        groups: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._rules = rules
        self._groups: dict[str, set[str]] = {}
        for group, users in (groups or {}).items():
            for user in users:
                self._groups.setdefault(user, set()).add(group)
        self._opened: set[str] = set()
        self._listing: set[str] = set()
        self._indexes = self._indexed(rules or ())
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._actions)

    def _indexed(self, rules: Sequence[Rule]) -> dict[str, RuleIndex]:
        patterns: dict[str, list[tuple[str, int, frozenset[str]]]] = {}
        for place, rule in enumerate(rules):
            if rule.actions or rule.catalog:
                self._opened |= rule.subjects
            if rule.catalog:
                self._listing |= rule.subjects
            for subject in rule.subjects:
                known = patterns.setdefault(subject, [])
                known += [(each.text, place, rule.actions) for each in rule.patterns]
        return {subject: RuleIndex(known) for subject, known in patterns.items()}

    @property
    def are_given(self) -> bool:
        """Whether there are any: without, a login or a token is all it takes."""
        return self._rules is not None

    def decide(self, user: str, repository: str, action: str) -> Decision:
        """
        Decide whether a user may do something, and tell by which rules.

        :param user: Their name; empty for nobody in particular.
        """
        if self._rules is None:
            return Decision(bool(user))
        places = {place for entry in self._deciding(user, repository) for place in entry.places}
        deciding = tuple(self._rules[place] for place in sorted(places))
        return Decision(self.allows(user, repository, action), deciding)

    def allows(self, user: str, repository: str, action: str) -> bool:
        """Tell whether a user may do something."""
        if self._rules is None:
            return bool(user)
        return action in self._remembered(user, repository)

    def opens_anything(self, user: str) -> bool:
        """Return whether a user may do anything anywhere."""
        if self._rules is None:
            return bool(user)
        return not self._opened.isdisjoint(self._subjects(user))

    def lists(self, user: str) -> bool:
        """
        Return whether a rule lets a user list the catalog.

        :param user: Their name; empty for an anonymous client.
        """
        return not self._listing.isdisjoint(self._subjects(user))

    def _actions(self, user: str, repository: str) -> frozenset[str]:
        """Tell what a user may do to a repository."""
        return frozenset().union(*(each.actions for each in self._deciding(user, repository)))

    def _deciding(self, user: str, repository: str) -> Iterator[Entry]:
        for subject in self._subjects(user):
            index = self._indexes.get(subject)
            if index is not None:
                yield from index.most_specific(repository)

    def _subjects(self, user: str) -> set[str]:
        return {EVERYBODY, *self._groups.get(user, ()), *([user] if user else [])}
