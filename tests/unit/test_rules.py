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
def test_three_lines_say_that_anyone_pulls_ci_pushes_and_admin_deletes(user, allowed):
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
def test_a_star_is_any_text_and_all_else_is_itself(pattern, repository, matches):
    assert RepositoryPattern(pattern).matches(repository) is matches


def test_of_the_rules_of_one_subject_the_most_specific_counts_alone():
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


def test_what_everybody_may_where_takes_nothing_from_who_may_more():
    rules = Rules([rule("anonymous", "public/*", "pull"), rule("ci", "*", "pull push")])
    assert rules.allows("ci", "public/a", "push")
    assert rules.allows("", "public/a", "pull")
    assert not rules.allows("", "private/a", "pull")


def test_what_a_user_may_not_where_is_said_in_a_rule_of_their_own():
    rules = Rules([rule("ci", "*", "pull push"), rule("ci", "secret/*", "")])
    assert not rules.allows("ci", "secret/a", "pull")
    assert rules.allows("ci", "open", "pull")


def test_a_user_may_what_each_of_their_groups_may():
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


def test_rules_that_are_alike_add_up():
    rules = Rules([rule("ci", "a/*", "pull"), rule("ci", "b/* a/*", "push")])
    assert rules.allows("ci", "a/x", "pull")
    assert rules.allows("ci", "a/x", "push")
    decision = rules.decide("ci", "a/x", "delete")
    assert not decision.allowed
    assert [str(each) for each in decision.rules] == [
        "ci may pull in a/*",
        "ci may push in b/*, a/*",
    ]


def test_nobody_is_called_anonymous():
    """A user of that name is no more than everybody."""
    rules = Rules([rule("anonymous", "*", "pull"), rule("admin", "*", "pull push")])
    assert not rules.allows("anonymous", "a", "push")
    assert rules.opens_anything("")


def test_without_rules_whoever_has_a_login_may_do_everything():
    rules = Rules()
    assert all(rules.allows("bob", "a", action) for action in ACTIONS)
    assert not any(rules.allows("", "a", action) for action in ACTIONS)
    assert rules.opens_anything("bob")
    assert not rules.opens_anything("")


def test_only_a_rule_of_its_own_opens_the_catalog_to_everybody():
    pulling = rule("anonymous", "*", "pull")
    listing = Rule(frozenset({"anonymous"}), (), frozenset(), catalog=True)
    assert not Rules([pulling]).lists("")
    assert not Rules().lists("")
    assert not Rules([rule("anonymous", "*", "pull push delete")]).lists("bob")
    assert Rules([pulling, listing]).lists("")
    assert not Rules([pulling, listing]).allows("", "a", "push")
    assert not Rules([listing]).allows("", "a", "pull")
    assert str(listing) == "anonymous may list the catalog"
    both = Rule(
        frozenset({"anonymous"}), (RepositoryPattern("*"),), frozenset({"pull"}), catalog=True
    )
    assert str(both) == "anonymous may pull in * and list the catalog"


@given(repositories, st.sampled_from(ACTIONS), st.text(max_size=5))
def test_what_no_rule_allows_is_denied(repository, action, user):
    assert not Rules([]).allows(user, repository, action)
    assert not Rules([rule("somebody.else", "*", "pull push delete")]).allows(
        user, repository, action
    )
