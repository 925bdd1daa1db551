"""Deleting very many at once: the question stays short, and everything is in its folded list."""

from __future__ import annotations

import pytest

from .deletion import agreed_form

TAGS, IMAGES = 350, 20


@pytest.fixture
def many(ui):
    """A repository of many tags on some images."""
    gallery = ui.gallery
    for number in range(IMAGES):
        gallery.image("big", f"v{number}.0", [b"%d" % number])
    payloads = [
        ui.server.request("GET", f"/v2/big/manifests/v{number}.0").body for number in range(IMAGES)
    ]
    for number in range(IMAGES, TAGS):
        ui.server.push_manifest("big", f"t{number}", payloads[number % IMAGES])
    return ui


def test_the_question_for_many_tags_is_short_and_whole(many):
    page = many.page("/delete?repo=big&all=1")
    assert "Delete 350 tags from big?" in page.text
    assert "20 images with 350 tags." in page.text
    assert "Yes, delete 350 tags" in page.text
    assert "Deleting 20 images…" in page.text
    before, _, folded = page.source.partition("Show what belongs to each image")
    # Nothing but totals and buttons stands before the list, which is closed.
    assert 'class="chip' not in before
    assert "<details open" not in before
    assert folded.count('class="chip') == 350


@pytest.mark.parametrize("how", ["tag", "image"])
def test_many_tags_are_deleted(many, how):
    form = agreed_form(many.page("/delete?repo=big&all=1"), how)
    done = many.post("/delete", form)
    assert done.status == 303
    assert many.tags("big") == []
    text = many.page(done.header("Location")).text
    assert f"{'Deleted 20' if how == 'image' else 'Removed 350'} items." in text


def test_tags_that_were_not_chosen_are_counted_and_named(many):
    page = many.page("/delete?repo=big&tag=v0.0&tag=v1.0")
    assert "2 images with 36 tags; 34 of them were not chosen:" in page.text
    assert "Delete 2 images and 36 tags" in page.text
