"""Every page, of a registry with something of everything in it."""

from __future__ import annotations

import pytest

from ..gallery import HOSTILE, LONG_NAME, LONG_TAG

APP = "/repo/team/app"


def test_an_empty_registry_shows_how_to_push_the_first_image(ui):
    page = ui.page("/")
    assert "docker tag myapp registry.example:31500/myapp:v1" in page.text
    assert "docker push registry.example:31500/myapp:v1" in page.text


def test_the_first_page_counts_everything(gallery):
    page = gallery.page("/")
    assert "Repositories 7 Tags 14 Images 11 Stored" in page.text
    assert "~" not in page.text
    assert "linux/amd64 linux/arm64" in page.text
    assert "unknown" not in page.text
    assert {"/repo/busybox", "/repo/team/app", f"/repo/{LONG_NAME}"} <= set(page.links)


def test_the_sum_counts_each_blob_once(ui):
    gallery = ui.gallery
    gallery.image("one", "a", [b"x" * 5000])
    gallery.image("two", "b", [b"x" * 5000])
    total = ui.page("/").text.split("Stored ")[1].split(" KiB")[0].split()[0]
    assert 5000 < float(total) * 1024 < 8000


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("", "/repo/busybox"),
        ("?dir=desc", f"/repo/{LONG_NAME}"),
        ("?sort=tags", "/repo/team/app"),
        ("?sort=size", "/repo/many/layers"),
        ("?sort=newest&dir=asc", "/repo/busybox"),
        ("?sort=nonsense&page=9999999", "/repo/busybox"),
    ],
)
def test_repositories_are_sorted_as_the_address_says(gallery, query, first):
    assert gallery.page(f"/{query}").rows()[0] == first


def test_namespaces_can_be_closed_without_a_script(ui):
    for number in range(20):
        ui.gallery.image(f"ns{number % 2}/app{number}", "v1", [b"x"])
    page = ui.page("/")
    assert len(page.rows()) == 20
    closing = next(link for link in page.links if "closed=ns0" in link)
    closed = ui.page(closing)
    assert len(closed.rows()) == 10
    assert "10 repositories" in closed.text
    opening = next(link for link in closed.links if link == "/")
    assert len(ui.page(opening).rows()) == 20


def test_repositories_without_tags_are_hidden_and_counted(ui):
    ui.gallery.image("full", "v1", [b"x"])
    ui.gallery.image("empty", "v1", [b"y"])
    ui.server.request("DELETE", "/v2/empty/manifests/v1")
    shots = ui.page("/")
    if "/repo/empty" in ui.page("/?empty=1").links:
        assert "/repo/empty" not in shots.links
        assert "1 repository without tags is hidden" in shots.text


def test_tags_come_newest_version_first_with_their_aliases(gallery):
    page = gallery.page(APP)
    assert [row.rpartition(":")[2] for row in page.rows()[:6]] == [
        "latest",
        "v1.10.0",
        "v1.10",
        "v1.10.0-rc.1",
        "v1.9.0",
        "stable",
    ]
    assert "= v1.10.0" in page.text
    assert "docker pull registry.example:31500/team/app:latest" in page.text
    assert "7 tags, 4 images" in page.text


def test_a_slash_at_the_end_is_passed_over(gallery):
    assert gallery.page(f"{APP}/").rows() == gallery.page(APP).rows()
    assert gallery.get("/api/tags/team/app/").json["repo"] == "team/app"


def test_a_signature_by_tag_says_so_and_comes_last(gallery):
    page = gallery.page(APP)
    assert page.rows()[-1].endswith(".sig")
    assert "signature for" in page.text


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("?q=v1.10", ["v1.10", "v1.10.0", "v1.10.0-rc.1"]),
        ("?q=v1.10.*", ["v1.10.0", "v1.10.0-rc.1"]),
        ("?q=LATEST", ["latest"]),
        ("?q=nothing", []),
    ],
)
def test_a_filter_finds_exact_matches_first(gallery, query, rows):
    found = gallery.page(APP + query).rows()
    assert [row.rpartition(":")[2] for row in found] == rows


def test_a_hundred_rows_a_page_over_the_whole_set(ui):
    payload = None
    for number in range(250):
        if payload is None:
            ui.gallery.image("big", "1.0.0", [b"x"])
            payload = ui.server.request("GET", "/v2/big/manifests/1.0.0").body
        ui.server.push_manifest("big", f"1.{number}.0", payload)
    first, last = ui.page("/repo/big"), ui.page("/repo/big?page=3")
    assert len(first.rows()) == 100
    assert first.rows()[0] == "/image/big:1.249.0"
    assert last.rows()[-1] == "/image/big:1.0.0"
    assert "201–250 of 250" in last.text
    assert "/repo/big?page=2" in first.links
    assert ui.page("/repo/big?page=77").rows() == last.rows()


def test_tags_of_one_image_can_stand_together(gallery):
    rows = gallery.page(f"{APP}?sort=image").rows()
    assert [row.rpartition(":")[2] for row in rows[:6]] == [
        "latest",
        "v1.10.0",
        "v1.10",
        "stable",
        "v1.10.0-rc.1",
        "v1.9.0",
    ]


def test_sizes_sort_the_whole_set(ui):
    for number in range(130):
        ui.gallery.image("sizes", f"t{number}", [b"x" * (number * 37 % 131)])
    first = ui.page("/repo/sizes?sort=size").rows()[0]
    assert first == "/image/sizes:t" + str(max(range(130), key=lambda n: n * 37 % 131))


def test_an_image_is_taken_apart(gallery):
    page = gallery.page("/image/team/app:v1.10.0")
    for text in (
        '["/usr/bin/app"]',
        "1000",
        "80/tcp",
        "API_TOKEN looks like a secret",
        "RUN apt-get update",
        "shared by 4 tags",
        "the original Dockerfile may differ",
        "linux/amd64",
        "signature",
        "SBOM",
        "provenance",
        "Other tags of this image: latest v1.10 stable",
    ):
        assert text in page.text, text
    assert "unknown/unknown" not in page.text.split("JSON")[0]
    assert "https://example.org/app" in page.links
    assert any(attributes.get("class") == "hue0" for tag, attributes in page.tags if tag == "rect")


def test_a_platform_can_be_chosen(gallery):
    page = gallery.page("/image/team/app:v1.10.0?platform=linux/arm64")
    assert "Platform linux/arm64" in page.text
    missing = gallery.page("/image/team/app:v1.10.0?platform=plan9/mips", status=400)
    assert "has no platform" in missing.text


def test_an_image_can_be_named_by_its_digest(gallery):
    digest = gallery.server.request("HEAD", "/v2/busybox/manifests/1.36").header(
        "Docker-Content-Digest"
    )
    page = gallery.page(f"/image/busybox@{digest}")
    assert f"docker pull registry.example:31500/busybox@{digest}" in page.text


def test_a_chart_is_shown_as_one(gallery):
    page = gallery.page("/image/team/charts/app:1.2.3")
    assert "helm pull oci://registry.example:31500/team/charts/app --version 1.2.3" in page.text
    assert "docker pull" not in page.text
    assert "redis 18" in page.text


def test_an_odd_artifact_is_shown_as_what_it_is(gallery):
    page = gallery.page("/image/team/strange:what")
    assert "not understood" in page.text
    assert "layersOf" in page.text
    assert "not understood" in gallery.page("/repo/team/strange").text


def test_raw_json_is_what_the_registry_has(gallery):
    stored = gallery.server.request("GET", "/v2/busybox/manifests/1.36").body
    answer = gallery.get("/raw/busybox:1.36")
    assert answer.body == stored
    assert answer.header("Content-Type") == "application/json"
    index = gallery.server.request("GET", "/v2/team/app/manifests/v1.9.0")
    child = index.json["manifests"][0]["digest"]
    stored = gallery.server.request("GET", f"/v2/team/app/manifests/{child}").body
    assert gallery.get("/raw/team/app:v1.9.0").body == index.body
    assert gallery.get("/raw/team/app:v1.9.0?platform=linux/arm64").body == stored
    assert gallery.get("/raw/busybox:1.36?config=1").json["architecture"] == "amd64"


def test_text_in_images_stays_text(gallery):
    page = gallery.page("/image/hostile/labels:v1")
    assert HOSTILE in page.text
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert not any(link.startswith("javascript") for link in page.links)
    assert "\\u202etxt.exe" in page.text
    assert "\u202e" not in page.source


def test_long_names_and_many_layers_are_all_there(gallery):
    page = gallery.page(f"/image/{LONG_NAME}:{LONG_TAG}")
    assert LONG_TAG in page.text
    layers = gallery.page("/image/many/layers:v127")
    assert sum(tag == "rect" for tag, _ in layers.tags) == 127
    assert "&& step899" in layers.text


def test_two_images_are_compared(gallery):
    page = gallery.page("/compare?a=team/app:v1.9.0&b=team/app:v1.10.0")
    for text in ("shared ADD file:0123", "removed RUN", "added RUN", "changed SALT one three"):
        assert text in page.text, text
    same = gallery.page("/compare?a=team/app:latest&b=team/app:stable")
    assert "The same image." in same.text
    across = gallery.page("/compare?a=busybox:1.36&b=team/app:latest")
    assert "Shared layers 0" in across.text


def test_images_of_different_platforms_are_compared_unless_one_is_chosen(ui):
    gallery = ui.gallery
    for tag, architecture in (("v1", "amd64"), ("v2", "arm64")):
        platform = {"os": "linux", "architecture": architecture}
        digest = gallery.image("app", "", [tag.encode()], platform=f"linux/{architecture}")
        gallery.index("app", tag, [{"digest": digest, "platform": platform}])
    page = ui.page("/compare?a=app:v1&b=app:v2")
    assert "linux/amd64 → linux/arm64" in page.text
    chosen = ui.page("/compare?a=app:v1&b=app:v2&platform=linux/amd64", status=400)
    assert "app:v2 has no platform" in chosen.text


def test_comparing_with_what_is_not_there_says_so_and_asks_again(gallery):
    page = gallery.page("/compare?a=busybox:1.36&b=busybox:nope", status=404)
    assert "there is no busybox:nope" in page.text
    assert page.inputs("a") == ["busybox:1.36"]
    assert "cannot be understood" in gallery.page("/compare?a=A&b=b", status=400).text


def test_ticked_tags_are_compared(gallery):
    page = gallery.page("/compare?repo=team/app&tag=v1.10.0&tag=v1.9.0")
    assert page.inputs("a") == ["team/app:v1.9.0"]
    assert page.inputs("b") == ["team/app:v1.10.0"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("busy", ["/repo/busybox"]),
        ("team/app", ["/repo/team/app"]),
        ("app:v1.9*", ["/repo/team/app"]),
        ("1.2.3", ["/repo/team/charts/app"]),
        ("*/labels", ["/repo/hostile/labels"]),
        ("nothing-at-all", []),
        ("", []),
    ],
)
def test_search_finds_repositories_and_tags(gallery, query, found):
    assert gallery.page(f"/search?q={query}").rows() == found


def test_search_escapes_what_was_asked(ui):
    page = ui.page("/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "No repository or tag matches “<script>alert(1)</script>”" in page.text
    assert [tag for tag, _ in page.tags].count("script") == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/repo/nope", 404),
        ("/repo/UPPER", 404),
        ("/image/nope:v1", 404),
        ("/image/team/app:nope", 404),
        ("/image/team/app@sha256:123", 400),
        ("/image/team/app@sha256:" + "0" * 64, 404),
        ("/nonsense", 404),
        ("/delete", 400),
        ("/delete?repo=team/app", 400),
        ("/delete?repo=team/app&tag=nope", 404),
        ("/delete?repo=nope&tag=nope", 404),
        ("/delete?repo=team/app&digest=sha256:" + "0" * 64, 404),
        ("/raw/busybox:nope", 404),
        ("/static/0000/app.css", 404),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(gallery, path, status):
    page = gallery.page(path, status=status)
    assert "<h1>" in page.source
    assert "Traceback" not in page.text


def test_every_page_has_one_heading_a_language_and_labelled_inputs(gallery):
    paths = ["/", APP, "/image/team/app:latest", "/compare", "/search?q=a"]
    for path in [*paths, "/delete?repo=team/app&tag=latest"]:
        page = gallery.page(path)
        names = [tag for tag, _ in page.tags]
        assert names.count("h1") == 1, path
        assert dict(page.tags)["html"]["lang"] == "en"
        assert not any("style" in attributes for _, attributes in page.tags), path
        assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
