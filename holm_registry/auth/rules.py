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

#: The subject that is everybody, with or without a login.
EVERYBODY = "anonymous"

#: How many decisions to remember.
_REMEMBERED = 8192


@frozen
class Pattern:
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
class Scope:
    """What may be done where, to whoever it belongs."""

    patterns: tuple[Pattern, ...]
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
    patterns: tuple[Pattern, ...]
    actions: frozenset[str]
    catalog: bool = False

    def __str__(self) -> str:
        parts = [str(Scope(self.patterns, self.actions))] if self.patterns else []
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
        self._groups = groups or {}
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._deciding)

    @property
    def are_given(self) -> bool:
        """Whether there are any: without, a login or a token is all it takes."""
        return self._rules is not None

    def decide(self, user: str, repository: str, action: str) -> Decision:
        """
        Decide whether a user may do something.

        :param user: Their name; empty for nobody in particular.
        """
        if self._rules is None:
            return Decision(bool(user))
        deciding = self._remembered(user, repository)
        return Decision(any(action in rule.actions for rule in deciding), deciding)

    def allows(self, user: str, repository: str, action: str) -> bool:
        """Tell whether a user may do something."""
        return self.decide(user, repository, action).allowed

    def opens_anything(self, user: str) -> bool:
        """Return whether a user may do anything anywhere."""
        if self._rules is None:
            return bool(user)
        subjects = self._subjects(user)
        return any(
            (rule.actions or rule.catalog) and rule.subjects & subjects for rule in self._rules
        )

    def lists(self, user: str) -> bool:
        """
        Return whether a rule lets a user list the catalog.

        :param user: Their name; empty for an anonymous client.
        """
        subjects = self._subjects(user)
        return any(rule.catalog and rule.subjects & subjects for rule in self._rules or ())

    def _deciding(self, user: str, repository: str) -> tuple[Rule, ...]:
        counting = [
            rule
            for subject in self._subjects(user)
            for rule in self._most_specific(subject, repository)
        ]
        return tuple(rule for rule in self._rules or () if rule in counting)

    def _most_specific(self, subject: str, repository: str) -> Iterator[Rule]:
        ranked = [
            (max(ranks), rule)
            for rule in self._rules or ()
            if subject in rule.subjects
            and (ranks := [each.rank for each in rule.patterns if each.matches(repository)])
        ]
        best = max((rank for rank, _ in ranked), default=None)
        yield from (rule for rank, rule in ranked if rank == best)

    def _subjects(self, user: str) -> frozenset[str]:
        groups = [group for group, users in self._groups.items() if user in users]
        return frozenset([EVERYBODY, *groups, *([user] if user else [])])
