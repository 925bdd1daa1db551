"""
Access rules: which subjects may perform which actions on which repositories.

A user has several subjects: the user, each group of the user, and ``anonymous``. For each subject,
only the rules with the most specific pattern for the repository count. An action is allowed if they
allow it to any of these subjects, and denied otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from attrs import frozen

from .rule_index import PatternEntry, RuleIndex

#: The subject of all clients, with or without a login.
ANONYMOUS_SUBJECT = "anonymous"

#: The maximum number of cached decisions, and of compiled patterns.
_MAX_CACHED = 8192


@frozen
class RepositoryPattern:
    """A pattern for repositories: ``*`` matches any text, including slashes."""

    text: str

    def matches(self, repository: str) -> bool:
        """Return whether the pattern matches the name of a repository."""
        return _compile(self.text).fullmatch(repository) is not None

    @property
    def rank(self) -> tuple[bool, int]:
        """How specific it is: names before patterns, then the number of literal characters."""
        return ("*" not in self.text, len(self.text.replace("*", "")))


@lru_cache(maxsize=_MAX_CACHED)
def _compile(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)


@frozen
class RuleScope:
    """Actions on repositories, for example those of a robot."""

    patterns: tuple[RepositoryPattern, ...]
    actions: frozenset[str]

    def allows(self, repository: str, action: str) -> bool:
        """Return whether the scope contains an action on a repository."""
        return action in self.actions and any(
            pattern.matches(repository) for pattern in self.patterns
        )

    def __str__(self) -> str:
        patterns = ", ".join(pattern.text for pattern in self.patterns)
        return f"{', '.join(sorted(self.actions, key=_action_order)) or 'nothing'} in {patterns}"


def _action_order(action: str) -> int:
    return ("pull", "push", "delete").index(action)


@frozen
class Rule:
    """
    One entry of ``access``.

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
    Whether an action is allowed, and why.

    :ivar rules: The rules that decided; none if no rule matches.
    """

    allowed: bool
    rules: tuple[Rule, ...] = ()


class Rules:
    """
    All access rules.

    :param rules: None if no rules are configured: users may then do everything, and anonymous
        clients nothing.
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
        self._allowed_subjects: set[str] = set()
        self._catalog_subjects: set[str] = set()
        self._indexes = self._build_indexes(rules or ())
        self._cached_actions = lru_cache(maxsize=_MAX_CACHED)(self._actions)

    def _build_indexes(self, rules: Sequence[Rule]) -> dict[str, RuleIndex]:
        patterns: dict[str, list[tuple[str, int, frozenset[str]]]] = {}
        for position, rule in enumerate(rules):
            if rule.actions or rule.catalog:
                self._allowed_subjects |= rule.subjects
            if rule.catalog:
                self._catalog_subjects |= rule.subjects
            for subject in rule.subjects:
                patterns.setdefault(subject, []).extend(
                    (pattern.text, position, rule.actions) for pattern in rule.patterns
                )
        return {subject: RuleIndex(indexed) for subject, indexed in patterns.items()}

    @property
    def are_configured(self) -> bool:
        """Whether rules are configured; without rules, a login or a token is enough."""
        return self._rules is not None

    def decide(self, user: str, repository: str, action: str) -> Decision:
        """
        Return whether a user may perform an action, with the rules that decide.

        :param user: The user's name; empty for an anonymous client.
        """
        if self._rules is None:
            return Decision(bool(user))
        positions = {
            position
            for entry in self._deciding_patterns(user, repository)
            for position in entry.positions
        }
        deciding = tuple(self._rules[position] for position in sorted(positions))
        return Decision(self.allows(user, repository, action), deciding)

    def allows(self, user: str, repository: str, action: str) -> bool:
        """Return whether a user may perform an action on a repository."""
        if self._rules is None:
            return bool(user)
        return action in self._cached_actions(user, repository)

    def allows_anything(self, user: str) -> bool:
        """Return whether a user may perform any action on any repository."""
        if self._rules is None:
            return bool(user)
        return not self._allowed_subjects.isdisjoint(self._subjects(user))

    def allows_catalog(self, user: str) -> bool:
        """
        Return whether a rule lets a user list the catalog.

        :param user: The user's name; empty for an anonymous client.
        """
        return not self._catalog_subjects.isdisjoint(self._subjects(user))

    def _actions(self, user: str, repository: str) -> frozenset[str]:
        entries = self._deciding_patterns(user, repository)
        return frozenset().union(*(entry.actions for entry in entries))

    def _deciding_patterns(self, user: str, repository: str) -> Iterator[PatternEntry]:
        for subject in self._subjects(user):
            index = self._indexes.get(subject)
            if index is not None:
                yield from index.most_specific(repository)

    def _subjects(self, user: str) -> set[str]:
        return {ANONYMOUS_SUBJECT, *self._groups.get(user, ()), *([user] if user else [])}
