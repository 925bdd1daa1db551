"""Indexes of every shape: of platforms, of indexes, of other things, and with pieces missing."""

from __future__ import annotations

from holm_registry.oci import media_types

from .test_damage import index_with, lose


def platform(digest: str, architecture: str) -> dict[str, object]:
    return {"digest": digest, "platform": {"os": "linux", "architecture": architecture}}


def nested(ui, *, beside: bool = False) -> tuple[str, str]:
    """Push an index with an index of two platforms in it; give its digest and one platform's."""
    gallery = ui.gallery
    children = [
        gallery.image("app", "", [b"%d" % number * 3000], platform=f"linux/{name}")
        for number, name in enumerate(("amd64", "arm64"))
    ]
    inner = gallery.index(
        "app", "", [platform(children[0], "amd64"), platform(children[1], "arm64")]
    )
    entries = [{"digest": inner, "mediaType": media_types.OCI_INDEX}]
    if beside:
        entries.append(platform(gallery.image("app", "", [b"s390"]), "s390x"))
    gallery.index("app", "v1", entries)
    return inner, children[1]


def test_an_index_in_an_index_is_a_link_and_shown_as_what_it_is(ui):
    inner, _ = nested(ui)
    page = ui.page("/image/app:v1")
    assert f"/image/app@{inner}" in page.links
    row = page.text.split("Contents of the index")[1]
    assert "⧉ index entry 1 linux/amd64 linux/arm64 6.4 KiB" in row
    within = ui.page(f"/image/app@{inner}")
    assert any("platform=linux%2Farm64" in link for link in within.links)


def test_the_platform_of_an_index_in_an_index_can_be_chosen(ui):
    _, child = nested(ui)
    for path in ("/image/app:v1?platform=linux/arm64", "/compare?a=app:v1&b=app:v1"):
        assert "no platform" not in ui.page(path).text
    page = ui.page("/image/app:v1?platform=linux/arm64")
    assert child in page.text
    assert "Platform linux/arm64" in page.text
    assert "linux/amd64" in ui.page("/compare?a=app:v1&b=app:v1").text
    assert "has no platform" in ui.page("/image/app:v1?platform=plan9/mips", status=400).text


def test_platforms_beside_an_index_are_shown_first(ui):
    inner, _ = nested(ui, beside=True)
    page = ui.page("/image/app:v1")
    assert "Built" in page.text
    assert 'aria-current="true">linux/s390x' in page.source
    assert f"/image/app@{inner}" in page.links
    assert any("platform=linux%2Fs390x" in link for link in page.links)


def test_artifacts_in_an_index_are_links_as_well(ui):
    gallery = ui.gallery
    notes = gallery.artifact("app", "", "application/vnd.example.notes", [])
    gallery.index("app", "v1", [{"digest": notes, "artifactType": "application/vnd.example.notes"}])
    page = ui.page("/image/app:v1")
    assert f"/image/app@{notes}" in page.links
    assert "artifact application/vnd.example.notes" in page.text


def test_the_first_platform_that_is_there_is_shown_and_the_missing_are_marked(ui):
    children = index_with(ui, 3)
    lose(ui, children[0])
    page = ui.page("/image/app:v1")
    assert "linux/cpu0 missing" in page.text
    assert f"linux/cpu1 {children[1]}" in page.text.replace("⧉ ", "")
    chosen = ui.page("/image/app:v1?platform=linux/cpu0")
    assert "The index lists linux/cpu0, but its manifest is missing" in chosen.text


def test_an_index_in_an_index_that_is_missing_is_said_to_be(ui):
    inner, _ = nested(ui)
    lose(ui, inner)
    page = ui.page("/image/app:v1")
    assert "manifest missing" in page.text
    assert "1 of 1 manifest missing" in ui.page("/repo/app").text


def test_an_index_of_nothing_says_so(ui):
    ui.gallery.index("app", "v1", [])
    assert "This index lists no manifests." in ui.page("/image/app:v1").text
