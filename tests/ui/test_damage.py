"""What is listed and not there, or cannot be read: said in words, and deleted."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused

from holm_registry.oci.digest import Digest
from holm_registry.oci.sizes import format_size
from holm_registry.storage.layout import blob_data

from .deletion import agreed_form
from .wire import Page, Ui, answer


def lose(ui: Ui, digest: str) -> None:
    """Have the registry lose content, as a damaged disk does."""
    ui.server.driver.delete(blob_data(Digest.parse(digest)))


def deletes_by_digest_only(ui: Ui) -> None:
    """Have the registry answer as registry:2 does."""
    ui.wire.intercept = lambda method, path, headers: (
        answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"no digest"}]}')
        if method == "DELETE" and "sha256:" not in path
        else None
    )


def index_with(ui: Ui, platforms: int, tag: str = "v1") -> list[str]:
    """Push an index of some platforms; give their digests."""
    gallery = ui.gallery
    children = [
        gallery.image("app", "", [b"%d" % number], platform=f"linux/cpu{number}")
        for number in range(platforms)
    ]
    gallery.index(
        "app",
        tag,
        [
            {"digest": child, "platform": {"os": "linux", "architecture": f"cpu{number}"}}
            for number, child in enumerate(children)
        ],
    )
    return children


def config_of(ui: Ui, repository: str, digest: str) -> str:
    manifest = ui.server.request("GET", f"/v2/{repository}/manifests/{digest}").json
    return manifest["config"]["digest"]


# What is missing is said.


@pytest.mark.parametrize(
    ("lost", "words"),
    [([0], "1 of 3 platforms missing"), ([0, 2], "2 of 3 platforms missing")],
)
def test_a_row_says_how_many_platforms_are_missing(ui, lost, words):
    children = index_with(ui, 3)
    for number in lost:
        lose(ui, children[number])
    page = ui.page("/repo/app")
    assert words in page.text
    assert "…" not in page.text.split("Actions")[1].split("Selected tags")[0]
    assert "1 tag lacks content in the registry." in page.text
    assert "1 damaged tag" in ui.page("/").text


def test_a_row_says_that_a_config_is_missing(ui):
    digest = ui.gallery.image("app", "v1", [b"x" * 2000])
    lose(ui, config_of(ui, "app", digest))
    page = ui.page("/repo/app")
    assert "config missing" in page.text
    assert "~" not in page.text, "the size is in the manifest"
    child = index_with(ui, 1, "v2")[0]
    lose(ui, config_of(ui, "app", child))
    ui.clock.advance(2)
    assert "config of linux/cpu0 missing" in ui.page("/repo/app").text


def test_a_row_says_that_the_manifest_is_missing(ui):
    ui.gallery.image("app", "v2", [b"y"])
    lose(ui, ui.gallery.image("app", "v1", [b"x"]))
    page = ui.page("/repo/app")
    assert "manifest missing" in page.text
    assert "~" not in page.text
    assert "data-poll" not in page.source
    image = ui.page("/image/app:v1", status=404)
    assert "app:v1 is listed, but its manifest is missing in the registry" in image.text
    assert "there is no app:v3" in ui.page("/image/app:v3", status=404).text


def test_attestations_that_are_missing_are_not_called_platforms(ui):
    index = ui.gallery.multi_platform("app", "v1")
    entries = ui.server.request("GET", f"/v2/app/manifests/{index}").json["manifests"]
    lose(ui, entries[2]["digest"])
    # Nobody asks for what attests until a page shows it.
    ui.page("/image/app:v1")
    text = ui.page("/repo/app").text
    assert "platforms missing" not in text


def test_what_comes_back_is_no_longer_missing(ui):
    children = index_with(ui, 2)
    payload = ui.server.request("GET", f"/v2/app/manifests/{children[0]}").body
    lose(ui, children[0])
    assert "1 of 2 platforms missing" in ui.page("/repo/app").text
    ui.server.push_manifest("app", children[0], payload)
    ui.clock.advance(31)
    page = ui.page("/repo/app")
    assert "missing" not in page.text
    assert "lacks" not in page.text


# What is listed can be deleted.


@pytest.mark.parametrize("registry2", [False, True])
def test_a_tag_whose_manifest_is_missing_can_be_deleted(ui, registry2):
    kept = ui.gallery.image("app", "v2", [b"y"])
    lose(ui, ui.gallery.image("app", "v1", [b"x"]))
    if registry2:
        deletes_by_digest_only(ui)
    page = ui.page("/delete?repo=app&tag=v1")
    assert "Delete app:v1?" in page.text
    assert "The manifest of 1 tag is missing or unreadable: v1" in page.text
    assert page.inputs("digest") == []
    form = agreed_form(page, "tag")
    done = ui.post("/delete", form)
    assert done.status == 303
    assert "Removed 1 item." in ui.page(done.header("Location")).text
    assert ui.tags("app") == ["v2"]
    assert ui.has("app", kept)
    assert ui.page("/repo/app").rows() == ["/image/app:v2"]


def test_nothing_is_put_where_the_registry_deletes_nothing(ui):
    lose(ui, ui.gallery.image("app", "v1", [b"x"]))
    ui.wire.intercept = lambda method, path, headers: (
        answer(405, b'{"errors":[{"code":"UNSUPPORTED","message":"deletes are off"}]}')
        if method == "DELETE"
        else None
    )
    refused = ui.post("/delete", {"repo": "app", "how": "tag", "tag": "v1"})
    assert refused.status == 502
    assert b"UNSUPPORTED: deletes are off" in refused.body
    assert not any(asked.startswith("PUT") for asked in ui.wire.requests_sent)


def test_a_tag_that_was_pushed_since_is_not_replaced(ui):
    digest = ui.gallery.image("app", "v1", [b"x"])
    payload = ui.server.request("GET", "/v2/app/manifests/v1").body
    lose(ui, digest)
    deletes_by_digest_only(ui)
    form = agreed_form(ui.page("/delete?repo=app&tag=v1"), "tag")
    ui.server.push_manifest("app", "v1", payload)
    ui.clock.advance(10)
    assert ui.post("/delete", form).status == 409
    assert ui.has("app", digest)
    assert ui.tags("app") == ["v1"]


@pytest.mark.parametrize("how", ["tag", "image"])
def test_lost_and_whole_tags_are_deleted_together(ui, how):
    whole = ui.gallery.image("app", "v2", [b"y"])
    ui.gallery.image("app", "v3", [b"z"])
    lose(ui, ui.gallery.image("app", "v1", [b"x"]))
    page = ui.page("/delete?repo=app&tag=v1&tag=v2")
    assert "Delete 2 tags from app?" in page.text
    assert ui.post("/delete", agreed_form(page, how)).status == 303
    assert ui.tags("app") == ["v3"]
    assert ui.has("app", whole) == (how == "tag")


def test_an_index_that_lacks_a_platform_is_deleted_with_the_others(ui):
    children = index_with(ui, 2)
    lose(ui, children[0])
    page = ui.page("/delete?repo=app&tag=v1")
    assert "1 platform is deleted too: nothing else needs it" in page.text
    assert ui.post("/delete", agreed_form(page, "image")).status == 303
    assert ui.tags("app") == []
    assert not ui.has("app", children[1])


def unreadable(ui: Ui, path: str) -> None:
    ui.wire.intercept = lambda method, asked, headers: (
        answer(500, b'{"errors":[{"code":"UNKNOWN","message":"bad sector"}]}')
        if asked.startswith(path) and method in ("GET", "HEAD")
        else None
    )


def test_tags_can_be_removed_while_another_cannot_be_read_and_images_cannot(ui):
    ui.gallery.image("app", "v1", [b"x"])
    digest = ui.gallery.image("app", "v2", [b"y"])
    unreadable(ui, "/v2/app/manifests/v1")
    page = ui.page("/delete?repo=app&tag=v2")
    assert "tag v1 cannot be read, so no image can be deleted safely" in page.text
    assert "Delete 1 image" not in page.text
    assert ui.post("/delete", agreed_form(page, "tag")).status == 303
    assert ui.tags("app") == ["v1"]
    assert ui.has("app", digest)


def test_a_tag_that_cannot_be_read_can_be_deleted(ui):
    ui.gallery.image("app", "v1", [b"x"])
    unreadable(ui, "/v2/app/manifests/v1")
    page = ui.page("/delete?repo=app&tag=v1")
    assert ui.post("/delete", agreed_form(page, "tag")).status == 303
    assert ui.tags("app") == []


# What cannot be read is named, and does not stand in the way of what can.


@pytest.mark.parametrize("path", ["/v2/broken/tags/list", "/v2/broken/manifests/"])
def test_a_repository_that_cannot_be_read_is_named_and_the_sums_are_without_it(ui, path):
    ui.gallery.image("app", "v1", [b"a" * 10240])
    ui.gallery.image("broken", "v1", [b"a" * 10240])
    manifest = ui.server.request("GET", "/v2/app/manifests/v1")
    whole = 10240 + len(manifest.body) + manifest.json["config"]["size"]
    unreadable(ui, path)
    home = ui.page("/")
    assert "Could not be read completely: broken." in home.text
    assert f"Stored {format_size(whole)}" in home.text
    assert "~" not in home.text
    for _ in range(2):
        page = ui.page("/delete?repo=app&tag=v1")
        assert f"Frees {format_size(whole)} after the next garbage collection." in page.text
        assert "broken could not be read and is not counted" in page.text
        assert "/repo/broken" in page.links
        ui.clock.advance(600)


def test_a_repository_that_lacks_content_does_not_make_sums_uncertain(ui):
    ui.gallery.image("app", "v1", [b"a" * 10240])
    ui.gallery.image("app", "v2", [b"b"])
    lose(ui, ui.gallery.image("app", "v3", [b"c"]))
    lose(ui, ui.gallery.image("other", "v1", [b"x"]))
    gallery = ui.gallery
    entries = [{"digest": gallery.image("index", "", [b"%d" % number])} for number in range(2)]
    gallery.index("index", "v1", entries)
    lose(ui, entries[0]["digest"])
    text = ui.page("/delete?repo=app&tag=v1").text
    assert "Frees up to" not in text
    assert "not counted" not in text


def test_a_repository_whose_last_tag_is_gone_does_not_make_sums_uncertain(ui):
    """registry:2 lists it still, and answers 404 about its tags."""
    ui.gallery.image("app", "v1", [b"a"])
    ui.gallery.image("emptied", "v1", [b"b"])
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}') if "/emptied/" in path else None
    )
    for _ in range(3):
        assert "Frees up to" not in ui.page("/delete?repo=app&tag=v1").text
        ui.clock.advance(1)


def test_what_was_just_deleted_elsewhere_is_not_counted_as_kept(ui):
    ui.gallery.image("app", "v1", [b"x" * 5000])
    digest = ui.gallery.image("other", "v1", [b"x" * 5000])
    assert "Frees 0 B" in ui.page("/delete?repo=app&tag=v1").text
    assert ui.post("/delete", {"repo": "other", "digest": digest}).status == 303
    assert "Frees 0 B" not in ui.page("/delete?repo=app&tag=v1").text


def test_unreadable_and_damaged_tags_are_counted_apart(ui):
    for tag in ("v1", "v2"):
        ui.gallery.image("app", tag, [tag.encode()])
    lose(ui, ui.gallery.image("app", "v3", [b"c"]))
    unreadable(ui, "/v2/app/manifests/v1")
    text = ui.page("/repo/app").text
    assert "1 tag could not be read; the numbers do not include it. 1 tag lacks content" in text


def test_a_repository_the_visitor_may_not_see_does_not_hide_the_others(ui):
    ui.gallery.image("app", "v1", [b"x" * 1000])
    for name in ("aaa", "zzz"):
        ui.gallery.image(name, "v1", [b"x" * 1000])
    ui.wire.intercept = lambda method, path, headers: (
        answer(401, WWW_Authenticate='Basic realm="r"') if path.startswith("/v2/aaa/") else None
    )
    text = ui.page("/delete?repo=app&tag=v1").text
    assert "aaa could not be read" in text
    assert "still being read" not in text


def test_sums_say_what_is_still_being_read(ui):
    ui.gallery.image("app", "v1", [b"a" * 10240])
    ui.gallery.image("slow", "v1", [b"b"])
    held: list[Deferred] = []

    def hold(method, path, headers):
        if path.startswith("/v2/slow/"):
            held.append(Deferred())
            return held[-1]
        return None

    ui.wire.intercept = hold
    connection = ui.connect()
    connection.send(b"GET /delete?repo=app&tag=v1 HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    ui.clock.advance(0.8)
    text = Page(connection.answer().body.decode()).text
    assert "Frees up to" in text
    assert "1 other repository is still being read" in text
    ui.wire.intercept = lambda method, path, headers: Refused()
    for one in held:
        one.errback(Refused())


# Rows that are only half read.


def test_a_row_that_is_half_read_claims_nothing(ui):
    index_with(ui, 2)
    index = json.loads(ui.server.request("GET", "/v2/app/manifests/v1").body)
    children = [entry["digest"] for entry in index["manifests"]]
    ui.wire.intercept = lambda method, path, headers: (
        Deferred() if path.rpartition("/")[2] in children else None
    )
    connection = ui.connect()
    connection.send(b"GET /repo/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    ui.clock.advance(0.8)
    page = Page(connection.answer().body.decode())
    row = page.text.split("Actions")[1]
    assert "0 B" not in row
    assert row.count("…") == 4, "size, layers and date are not known, and the button says more"
    assert "1 tag is still being read" in page.text
    ui.wire.intercept = lambda method, path, headers: Refused()
    ui.clock.advance(30)


def test_a_date_that_comes_late_is_shown(ui):
    """A page put together before a platform's config was read must not be the last word."""
    child = index_with(ui, 1)[0]
    held: list[Deferred] = []
    config = config_of(ui, "app", child)

    def hold(method, path, headers):
        if not path.endswith(config):
            return None
        held.append(Deferred())
        return held[-1]

    ui.wire.intercept = hold
    connection = ui.connect()
    connection.send(b"GET /repo/app HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    ui.clock.advance(0.8)
    assert b"<time" not in connection.answer().body
    ui.wire.intercept = lambda method, path, headers: None
    for one in held:
        one.errback(Refused())
    ui.clock.advance(5)
    assert "<time" in ui.page("/repo/app").source


# Sums of what is shown.


def test_with_a_filter_the_sums_are_those_of_what_is_shown(ui):
    for tag, size in (("v1", 1000), ("v2", 20_000), ("old", 300_000)):
        ui.gallery.image("app", tag, [b"x" * size])
    sums = {
        tag: len(ui.server.request("GET", f"/v2/app/manifests/{tag}").body)
        + sum(
            part["size"]
            for manifest in [ui.server.request("GET", f"/v2/app/manifests/{tag}").json]
            for part in [manifest["config"], *manifest["layers"]]
        )
        for tag in ("v1", "v2", "old")
    }
    everything = ui.page("/repo/app").text
    assert f"3 tags, 3 images, {format_size(sum(sums.values()))} stored." in everything
    text = ui.page("/repo/app?q=v*").text
    shown = format_size(sums["v1"] + sums["v2"])
    assert f"2 tags of 3 match “v*”, 2 images, {shown} stored by these tags." in text
