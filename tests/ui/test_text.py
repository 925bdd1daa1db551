"""Sizes, ages, orders, filters: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.ui.model.ordering import matcher, natural_key, newest_first, ranked, version_key
from holm_registry.ui.model.platforms import in_order, platform_text
from holm_registry.ui.model.text import age_text, count_text, delta_text
from holm_registry.ui.views.image import web_link
from holm_registry.ui.web.template_environment import visible


def test_differences_have_a_sign():
    assert [delta_text(size) for size in (2048, -2048, 0)] == ["+2.0 KiB", "\u22122.0 KiB", "±0 B"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (0.9, "just now"),
        (1, "1 second ago"),
        (119, "1 minute ago"),
        (7200, "2 hours ago"),
        (86400 * 3, "3 days ago"),
        (86400 * 800, "2 years ago"),
        (-7200, "just now"),
    ],
)
def test_ages(seconds, text):
    assert age_text(seconds) == text


def test_counts():
    assert [count_text(n, "tag") for n in (0, 1, 2, 1200)] == [
        "0 tags",
        "1 tag",
        "2 tags",
        "1,200 tags",
    ]


def test_versions_come_newest_first():
    tags = [
        "latest", "v2.0.0", "2.0.0-rc.10", "2.0.0-rc.2", "2.0.0-beta", "1.10.0", "1.10.0-alpine",
        "1.10.0-rc1", "1.9", "v1.2", "1.1", "release-1.0", "0.9.0b2", "deadbeef", "edge", "main",
        "sha-10", "sha-9",
    ]  # fmt: skip
    expected = [
        "latest", "v2.0.0", "2.0.0-rc.10", "2.0.0-rc.2", "2.0.0-beta", "1.10.0", "1.10.0-alpine",
        "1.10.0-rc1", "1.9", "v1.2", "1.1", "release-1.0", "0.9.0b2", "deadbeef", "edge", "main",
        "sha-9", "sha-10",
    ]  # fmt: skip
    assert newest_first(sorted(tags)) == expected


@given(st.lists(st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True)))
def test_every_tag_has_its_place(tags):
    ordered = newest_first(tags)
    assert sorted(ordered) == sorted(tags)
    assert newest_first(reversed(ordered)) == newest_first(ordered)
    assert sorted(tags, key=natural_key) == sorted(sorted(tags, reverse=True), key=natural_key) or (
        len({natural_key(tag) for tag in tags}) < len(tags)
    )


@pytest.mark.parametrize("release", ["1.0.0", "v3", "2026.11.1"])
@pytest.mark.parametrize("suffix", ["-rc.1", "-alpha", "-beta.2", "-dev", "-SNAPSHOT", "rc1"])
def test_what_comes_before_a_release_is_older(release, suffix):
    assert version_key(release + suffix) < version_key(release)


@pytest.mark.parametrize(
    ("query", "name", "rank"),
    [
        ("v1", "v1", 3),
        ("v1", "v1.2", 2),
        ("1.2", "v1.2", 1),
        ("V1", "v1", 3),
        ("v3", "v1", 0),
        ("1.*", "1.5", 3),
        ("1.*", "v1.5", 0),
        ("1.?", "1.5", 3),
        ("1.?", "1.55", 0),
        ("[a]", "a", 0),
        ("****", "anything", 3),
    ],
)
def test_what_a_filter_lets_through(query, name, rank):
    assert matcher(query)(name) == rank


def test_a_filter_made_to_be_slow_is_not():
    assert matcher("*a" * 60)("a" * 128) == 3
    assert matcher("*a" * 60 + "b")("a" * 128) == 0


def test_an_exact_match_comes_first():
    assert ranked(["1.10", "0.1.1", "1.1", "1.1.5"], "1.1") == ["1.1", "1.10", "1.1.5", "0.1.1"]


def test_platforms_are_in_one_order():
    assert in_order(["windows/amd64", "linux/arm/v7", "linux/arm64", "", "linux/amd64"]) == (
        "linux/amd64",
        "linux/arm64",
        "linux/arm/v7",
        "windows/amd64",
    )
    assert platform_text("linux", "arm64", "v8") == "linux/arm64"
    assert platform_text("linux", "arm", "v7") == "linux/arm/v7"
    assert platform_text("unknown", "unknown") == platform_text(None, None) == ""


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("https://example.org/a?b=c#d", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://example.org and more", False),
        ("https://[", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("java\nscript:alert(1)", False),
    ],
)
def test_only_addresses_of_the_web_are_links(text, links):
    assert web_link(text) == (text if links else "")


def test_characters_that_mislead_are_shown():
    assert visible("a\u202eb\x00c\nd") == "a\\u202eb\\u0000c\nd"
    assert visible("plain \U0001f433") == "plain \U0001f433"
    assert visible(5) == 5
