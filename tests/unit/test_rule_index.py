"""Rules are found without looking at all of them, and the same ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.auth.identity import PULL
from holm_registry.auth.rule_index import RuleIndex
from holm_registry.auth.rules import RepositoryPattern, Rule, Rules

MANY = 3000

texts = st.text("ab*", max_size=6)
subjects = st.frozensets(st.sampled_from(["anonymous", "bob", "team"]), min_size=1)
rules = st.builds(
    Rule,
    subjects,
    st.lists(st.builds(RepositoryPattern, texts), max_size=4).map(tuple),
    st.frozensets(st.sampled_from(["pull", "push", "delete"])),
)


def matches(pattern: RepositoryPattern, name: str) -> bool:
    return re.fullmatch(pattern.text.replace("*", ".*"), name) is not None


def deciding(all_rules, subjects, name):
    """Return the rules with the most specific pattern of each subject, by a search through all."""
    found = []
    for subject in subjects:
        ranks = [
            max((each.rank for each in rule.patterns if matches(each, name)), default=None)
            for rule in all_rules
            if subject in rule.subjects
        ]
        best = max((rank for rank in ranks if rank is not None), default=None)
        mine = [rule for rule in all_rules if subject in rule.subjects]
        found += [rule for rule, rank in zip(mine, ranks, strict=True) if rank == best is not None]
    return [rule for rule in all_rules if any(rule is each for each in found)]


@given(st.lists(rules, max_size=8), st.text("ab", min_size=1, max_size=6))
def test_the_index_finds_the_same_rules_as_a_search_through_all(all_rules, name):
    indexed = Rules(all_rules, {"team": frozenset({"bob"})})
    expected = deciding(all_rules, ("anonymous", "bob", "team"), name)
    for action in ("pull", "push", "delete"):
        decision = indexed.decide("bob", name, action)
        assert [id(rule) for rule in decision.rules] == [id(rule) for rule in expected]
        allowed = any(action in rule.actions for rule in expected)
        assert decision.allowed == indexed.allows("bob", name, action) == allowed


@pytest.mark.parametrize("pattern", ["team{}/*", "*/app{}", "team{0}/*/app{0}", "*", "team{}/app"])
def test_few_patterns_are_compared_with_a_name(pattern):
    index = RuleIndex((pattern.format(n), n, frozenset({PULL})) for n in range(MANY))
    assert index.most_specific("team7/app") or index.most_specific("team7/x/app7")
    for name in ("team7/x/app7", "team7/app", "other", "x" * 255):
        assert sum(map(len, index.candidates(name))) <= 5
