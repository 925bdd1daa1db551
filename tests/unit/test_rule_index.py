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


def deciding(given_rules, who, name):
    """Look at all rules: those of each subject whose pattern is the most specific."""
    found = []
    for subject in who:
        ranks = [
            max((each.rank for each in rule.patterns if matches(each, name)), default=None)
            for rule in given_rules
            if subject in rule.subjects
        ]
        best = max((rank for rank in ranks if rank is not None), default=None)
        mine = [rule for rule in given_rules if subject in rule.subjects]
        found += [rule for rule, rank in zip(mine, ranks, strict=True) if rank == best is not None]
    return [rule for rule in given_rules if any(rule is each for each in found)]


@given(st.lists(rules, max_size=8), st.text("ab", min_size=1, max_size=6))
def test_the_same_rules_decide_as_if_all_were_looked_at(given_rules, name):
    all_rules = Rules(given_rules, {"team": frozenset({"bob"})})
    wanted = deciding(given_rules, ("anonymous", "bob", "team"), name)
    for action in ("pull", "push", "delete"):
        decision = all_rules.decide("bob", name, action)
        assert [id(rule) for rule in decision.rules] == [id(rule) for rule in wanted]
        allowed = any(action in rule.actions for rule in wanted)
        assert decision.allowed == all_rules.allows("bob", name, action) == allowed


@pytest.mark.parametrize("pattern", ["team{}/*", "*/app{}", "team{0}/*/app{0}", "*", "team{}/app"])
def test_few_patterns_are_looked_at_for_a_name_of_many(pattern):
    index = RuleIndex((pattern.format(n), n, frozenset({PULL})) for n in range(MANY))
    assert index.most_specific("team7/app") or index.most_specific("team7/x/app7")
    for name in ("team7/x/app7", "team7/app", "other", "x" * 255):
        assert sum(map(len, index.candidates(name))) <= 5
