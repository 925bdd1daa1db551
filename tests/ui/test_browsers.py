"""What browsers are sent: headers, compression, caching, colours."""

from __future__ import annotations

import gzip

import pytest

from holm_registry.ui.web.assets import find_templates

PATHS = ["/", "/repo/nope", "/health", "/api/nope", "/favicon.ico", "/search?q=a"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_strict(ui, path):
    found = ui.get(path)
    policy = found.header("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert found.header("X-Content-Type-Options") == "nosniff"
    assert found.header("Referrer-Policy") == "same-origin"


def test_nothing_names_another_host(gallery):
    for file in find_templates().rglob("*"):
        if file.suffix in (".html", ".css", ".js"):
            text = file.read_text()
            assert "http://" not in text, file
            assert "https://" not in text, file


def test_assets_are_kept_for_ever_under_their_content(ui):
    page = ui.page("/")
    paths = [
        attributes.get("href") or attributes.get("src")
        for tag, attributes in page.tags
        if tag in ("link", "script")
    ]
    assert len(paths) == 3
    for path in paths:
        found = ui.get(path, Accept_Encoding="gzip")
        assert found.status == 200
        assert "immutable" in found.header("Cache-Control")
        assert found.header("Content-Encoding") == "gzip"
        assert gzip.decompress(found.body) == ui.get(path).body


def test_the_first_load_is_light(gallery):
    page = gallery.get("/", Accept_Encoding="gzip")
    assets = gallery.context.assets.values()
    assert len(page.body) + sum(len(asset.compressed) for asset in assets) <= 40_000
    assert len(gallery.context.assets["app.js"].compressed) <= 8_000
    assert 1 + len(assets) <= 4


def test_a_hundred_rows_are_light(ui):
    for number in range(100):
        ui.gallery.multi_platform("app", f"v1.{number}.0", str(number))
    found = ui.get("/repo/app", Accept_Encoding="gzip")
    assert len(found.body) <= 15_000


def test_what_a_browser_has_is_not_sent_again(ui):
    ui.gallery.image("app", "v1", [b"x"])
    first = ui.get("/repo/app")
    again = ui.get("/repo/app", If_None_Match=first.header("ETag"))
    assert (again.status, again.body) == (304, b"")
    ui.gallery.image("app", "v2", [b"x"])
    ui.clock.advance(2)
    assert ui.get("/repo/app", If_None_Match=first.header("ETag")).status == 200


def test_head_answers_like_get_without_a_body(ui):
    found = ui.request("HEAD", "/")
    assert found.status == 200
    assert found.body == b""
    assert int(found.header("Content-Length")) > 1000


@pytest.mark.parametrize(
    ("cookie", "theme"),
    [
        ("", "auto"),
        ("theme=light", "light"),
        ("theme=dark", "dark"),
        ('theme="><script>', "auto"),
    ],
)
def test_the_systems_colours_unless_a_cookie_says_which(ui, cookie, theme):
    page = ui.page("/", **({"Cookie": cookie} if cookie else {}))
    assert dict(page.tags)["html"]["data-theme"] == theme
    scheme = next(a for _, a in page.tags if a.get("name") == "color-scheme")["content"]
    assert scheme == ("dark light" if theme == "auto" else theme)


def test_colours_are_changed_without_a_script(ui):
    found = ui.post("/theme", {"theme": "light", "back": "/repo/app?q=1"})
    assert found.status == 303
    assert found.header("Location") == "/repo/app?q=1"
    assert found.header("Set-Cookie").startswith("theme=light; Path=/; Max-Age=")
    assert ui.post("/theme", {"theme": "pink"}).status == 400


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil", "", "x"])
def test_nobody_is_sent_to_another_site(ui, back):
    assert ui.post("/theme", {"theme": "dark", "back": back}).header("Location") == "/"


def test_a_client_is_remembered(gallery):
    page = gallery.page("/repo/busybox", Cookie="client=skopeo")
    checked = [attributes for tag, attributes in page.tags if "checked" in attributes]
    assert [each["value"] for each in checked if each.get("name") == "client"] == ["skopeo"]


def test_an_address_that_is_no_text_is_refused(ui):
    assert ui.get("/repo/%ff").status == 400


@pytest.mark.parametrize(
    ("path", "danger"),
    [
        ("/", []),
        ("/repo/team/app", []),
        ("/image/team/app:latest", []),
        ("/delete?repo=team/app&tag=latest", ["Delete 1 image and 4 tags"]),
        ("/delete?repo=team/app&tag=latest&tag=v1.9.0", ["Delete 2 images and 5 tags"]),
        ("/delete?repo=busybox&tag=1.36", ["Delete 1 image and 1 tag"]),
    ],
)
def test_only_what_destroys_is_red(gallery, path, danger):
    parts = gallery.page(path).source.split('class="button danger"')[1:]
    assert [part.split(">")[1].split("<")[0] for part in parts] == danger


def test_where_only_a_tag_can_be_removed_that_is_red(gallery):
    digest = gallery.server.request("GET", "/v2/team/app/manifests/v1.9.0").json["manifests"][0]
    payload = gallery.server.request("GET", f"/v2/team/app/manifests/{digest['digest']}").body
    gallery.server.push_manifest("team/app", "child", payload)
    page = gallery.page("/delete?repo=team/app&tag=child")
    assert page.source.count('class="button danger"') == 1
    assert 'class="button danger">Remove 1 tag' in page.source


def test_requests_are_logged(ui):
    ui.get("/health")
    assert '"GET /health HTTP/1.1" 200 20' in ui.access_log[-1]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html;q=0", "text/plain"),
        ("text/html; q=0.000, application/json", "application/json"),
        ("application/json;q=0.0", "text/plain"),
        ("application/json;q=0, text/html;q=0.1", "text/html"),
        ("TEXT/HTML", "text/html"),
        ("application/json", "application/json"),
        ("*/*", "text/plain"),
    ],
)
def test_an_error_is_of_a_kind_that_is_accepted(ui, accept, kind):
    assert ui.get("/repo/nope", Accept=accept).header("Content-Type").startswith(kind)
