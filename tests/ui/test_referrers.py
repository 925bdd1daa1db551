"""What is attached to an image: signatures, SBOMs, provenance and others."""

from __future__ import annotations

import pytest

from holm_registry.ui.state.referrers import MAX_SIZED

from .wire import answer


def test_the_size_of_a_referrer_is_that_of_its_content(ui):
    gallery = ui.gallery
    subject = gallery.image("app", "v1", [b"x"])
    gallery.attach("app", subject, "application/spdx+json", b"s" * 30_000)
    assert "application/spdx+json 29.3 KiB" in ui.page("/image/app:v1").text


@pytest.mark.parametrize("status", [404, 500])
def test_a_referrer_that_cannot_be_read_has_no_size(ui, status):
    gallery = ui.gallery
    subject = gallery.image("app", "v1", [b"x"])
    digest = gallery.attach("app", subject, "application/spdx+json", b"s" * 30_000)
    ui.wire.intercept = lambda method, path, headers: (
        answer(status) if path.endswith(f"/manifests/{digest}") else None
    )
    assert "application/spdx+json —" in ui.page("/image/app:v1").text


def test_only_so_many_referrers_are_read(ui):
    gallery = ui.gallery
    subject = gallery.image("app", "v1", [b"x"])
    for number in range(MAX_SIZED + 20):
        gallery.attach("app", subject, "application/vnd.example.notes", b"%d" % number)
    ui.wire.requests_sent.clear()
    text = ui.page("/image/app:v1").text
    assert text.count("application/vnd.example.notes —") == 20
    assert sum("/manifests/" in asked for asked in ui.wire.requests_sent) < MAX_SIZED + 10
