"""Indexes of layers and images without layers, as BuildKit pushes them, on every page."""

from __future__ import annotations

import pytest

from holm_registry.oci import media_types

from ..gallery import CONFIG, LAYER

CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"


def push_cache(gallery, *, as_image=False):
    layer = gallery.part("app", b"x" * 5000, LAYER)
    config = gallery.part("app", b"{}", CACHE_CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [layer, config],
    }
    if as_image:
        document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config}
        document["layers"] = [layer]
    return gallery.manifest("app", "cache", document)


@pytest.mark.parametrize("as_image", [False, True])
def test_a_build_cache_is_shown_as_what_it_is(ui, as_image):
    push_cache(ui.gallery, as_image=as_image)
    rows = ui.page("/repo/app").text
    assert "build cache" in rows
    assert "4.9 KiB" in rows or "5.0 KiB" in rows or "5.1 KiB" in rows
    assert "missing" not in rows
    page = ui.page("/image/app:cache").text
    assert "build cache" in page
    assert "missing" not in page


def test_a_build_cache_is_deleted_with_its_tag(ui):
    digest = push_cache(ui.gallery)
    page = ui.page(f"/delete?repo=app&digest={digest}")
    assert "not in the registry" not in page.text
    assert ui.post("/delete", {"repo": "app", "digest": digest}).status == 303
    assert not ui.has("app", digest)


def test_an_image_without_layers_is_an_image(ui):
    config = ui.gallery.part("app", b'{"os": "linux", "architecture": "arm64"}', CONFIG)
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config}
    ui.gallery.manifest("app", "scratch", {**document, "layers": None})
    assert "linux/arm64" in ui.page("/repo/app").text
    assert ui.page("/image/app:scratch")


def test_an_empty_index_is_an_index(ui):
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": None}
    ui.gallery.manifest("app", "none", document)
    assert ui.page("/image/app:none")
