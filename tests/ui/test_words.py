"""The words of the pages: the standard terms, and plain English."""

from __future__ import annotations

import re

import pytest

from holm_registry.ui.web.assets import find_templates

from .wire import PAGES

#: What readers took for riddles, and what is said instead elsewhere in these tests.
RIDDLES = [
    "as it is:",
    "rebuilt",
    "tags here",
    "no layer",
    "tick ",
    "ticked",
    "what went",
    "go on without",
    "listed, but not there",
    "known of",
    "whoever",
    "nobody",
    "without a tag of its own",
    "without a tag of their own",
    "space returns",
    "looked through",
    "looked at",
    "what is there",
]


@pytest.mark.parametrize("suffix", [".html", ".js"])
def test_no_page_speaks_in_riddles(suffix):
    for file in find_templates().rglob(f"*{suffix}"):
        text = re.sub(r"(?m)//.*$|/\*.*?\*/", "", file.read_text()).lower()
        assert [riddle for riddle in RIDDLES if riddle in text] == [], file


@pytest.mark.parametrize(
    "path",
    [
        *PAGES,
        "/repo/team/strange",
        "/image/team/charts/app:1.2.3",
        "/delete?repo=team/app&all=1",
        "/search?q=nothing",
        "/search?q=*:1",
    ],
)
def test_pages_use_the_fields_words(gallery, path):
    page = gallery.page(path)
    assert [riddle for riddle in RIDDLES if riddle in page.text.lower()] == []
    assert not re.search(r"\d (KB|MB|GB|kB)\b", page.text)


def test_the_words_of_an_image(gallery):
    text = gallery.page("/image/team/app:v1.10.0").text
    for words in (
        "Dockerfile (reconstructed)",
        "Raw: index, manifest, config",
        "shared by 6 tags",
        "metadata only",
        "Compressed size",
    ):
        assert words in text, words


def test_a_chart_has_no_layers(gallery):
    text = gallery.page("/image/team/charts/app:1.2.3").text
    assert "Blobs 1" in text
    assert "Layers" not in text.split("Keyboard shortcuts")[0]
    assert "Compressed" not in text


def test_a_pattern_that_matches_nothing_comes_with_a_hint(gallery):
    assert "try *1.39*" in gallery.page("/search?q=1.39*").text
