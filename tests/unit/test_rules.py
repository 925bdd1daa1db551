"""Who may do what, by rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.auth.identity import ACTIONS
from holm_registry.auth.rules import RepositoryPattern, Rule, Rules

from ..strategies import repositories


def rule(subjects, patterns, actions):
    return Rule(
        frozenset(subjects.split()),
        tuple(map(RepositoryPattern, patterns.split())),
        frozenset(actions.split()),
    )


THREE = Rules(
    [
        rule("anonymous", "*", "pull"),
        rule("ci", "*", "pull push"),
        rule("admin", "*", "pull push delete"),
    ]
)


@pytest.mark.parametrize(
    ("user", "allowed"),
    [("", "pull"), ("bob", "pull"), ("ci", "pull push"), ("admin", "pull push delete")],
)
def test_three_rules_let_anyone_pull_ci_push_and_admin_delete(user, allowed):
    for repository in ("a", "deep/er/b"):
        found = {each for each in ACTIONS if THREE.allows(user, repository, each)}
        assert found == set(allowed.split())


@pytest.mark.parametrize(
    ("pattern", "repository", "matches"),
    [
        ("*", "a/b/c", True),
        ("a/*", "a/b/c", True),
        ("a/*", "a", False),
        ("a*", "a", True),
        ("*/b", "a/x/b", True),
        ("a.b", "axb", False),
        ("a", "a/b", False),
        ("a*c*e", "abcde", True),
        ("(a|b)", "a", False),
        ("", "a", False),
    ],
)
def test_a_star_matches_any_text(pattern, repository, matches):
    assert RepositoryPattern(pattern).matches(repository) is matches


def test_of_the_rules_of_one_subject_only_the_most_specific_counts():
    rules = Rules(
        [
            rule("ci", "*", "pull push"),
            rule("ci", "frozen/*", "pull"),
            rule("ci", "frozen/but/open", "pull push delete"),
        ]
    )
    assert rules.allows("ci", "a", "push")
    assert not rules.allows("ci", "frozen/a", "push")
    assert rules.allows("ci", "frozen/but/open", "delete")
    assert not rules.allows("", "a", "pull")


def test_a_rule_for_anonymous_does_not_limit_users():
    rules = Rules([rule("anonymous", "public/*", "pull"), rule("ci", "*", "pull push")])
    assert rules.allows("ci", "public/a", "push")
    assert rules.allows("", "public/a", "pull")
    assert not rules.allows("", "private/a", "pull")


def test_a_more_specific_rule_limits_a_user():
    rules = Rules([rule("ci", "*", "pull push"), rule("ci", "secret/*", "")])
    assert not rules.allows("ci", "secret/a", "pull")
    assert rules.allows("ci", "open", "pull")


def test_a_user_has_the_permissions_of_each_group():
    rules = Rules(
        [
            rule("anonymous", "*", "pull"),
            rule("team", "team/*", "pull push"),
            rule("admins", "*", "delete"),
            rule("alice", "alice/*", "push"),
        ],
        {"team": frozenset({"alice", "bob"}), "admins": frozenset({"alice"})},
    )
    assert all(rules.allows("alice", "team/a", action) for action in ACTIONS)
    assert rules.allows("alice", "alice/a", "push")
    assert rules.allows("bob", "team/a", "push")
    assert not rules.allows("bob", "alice/a", "push")
    assert rules.allows("carol", "team/a", "pull")
    assert not rules.allows("carol", "team/a", "push")
    decision = rules.decide("alice", "team/a", "push")
    assert [str(each) for each in decision.rules] == [
        "anonymous may pull in *",
        "team may pull, push in team/*",
        "admins may delete in *",
    ]


def test_rules_with_the_same_pattern_add_up():
    rules = Rules([rule("ci", "a/*", "pull"), rule("ci", "b/* a/*", "push")])
    assert rules.allows("ci", "a/x", "pull")
    assert rules.allows("ci", "a/x", "push")
    decision = rules.decide("ci", "a/x", "delete")
    assert not decision.allowed
    assert [str(each) for each in decision.rules] == [
        "ci may pull in a/*",
        "ci may push in b/*, a/*",
    ]


def test_anonymous_is_not_a_user():
    """A user of that name is no more than everybody."""
    rules = Rules([rule("anonymous", "*", "pull"), rule("admin", "*", "pull push")])
    assert not rules.allows("anonymous", "a", "push")
    assert rules.allows_anything("")


def test_without_rules_users_may_do_everything():
    rules = Rules()
    assert all(rules.allows("bob", "a", action) for action in ACTIONS)
    assert not any(rules.allows("", "a", action) for action in ACTIONS)
    assert rules.allows_anything("bob")
    assert not rules.allows_anything("")


def test_anonymous_clients_need_a_rule_for_the_catalog():
    pulling = rule("anonymous", "*", "pull")
    listing = Rule(frozenset({"anonymous"}), (), frozenset(), catalog=True)
    assert not Rules([pulling]).allows_catalog("")
    assert not Rules().allows_catalog("")
    assert not Rules([rule("anonymous", "*", "pull push delete")]).allows_catalog("bob")
    assert Rules([pulling, listing]).allows_catalog("")
    assert not Rules([pulling, listing]).allows("", "a", "push")
    assert not Rules([listing]).allows("", "a", "pull")
    assert str(listing) == "anonymous may list the catalog"
    both = Rule(
        frozenset({"anonymous"}), (RepositoryPattern("*"),), frozenset({"pull"}), catalog=True
    )
    assert str(both) == "anonymous may pull in * and list the catalog"


@given(repositories, st.sampled_from(ACTIONS), st.text(max_size=5))
def test_actions_without_a_rule_are_denied(repository, action, user):
    assert not Rules([]).allows(user, repository, action)
    assert not Rules([rule("somebody.else", "*", "pull push delete")]).allows(
        user, repository, action
    )
