"""What was pushed runs nothing in Chromium: see docs/SECURITY.md."""

from __future__ import annotations

import pytest

from ..gallery import CONFIG, LAYER

RAN = "it-ran"
MARKUP = (
    f"<script>document.title='{RAN}'</script>"
    f"<img src=x: onerror=document.title='{RAN}'><svg onload=document.title='{RAN}'>"
)


@pytest.fixture(scope="module")
def page_of(shown):
    """A manifest that calls itself a page, under a tag; give its digest."""
    gallery, repository = shown.gallery, "hostile/page"
    document = {
        "schemaVersion": 2,
        "mediaType": "text/html",
        "config": gallery.part(repository, MARKUP.encode(), CONFIG),
        "layers": [gallery.part(repository, MARKUP.encode() * 2, LAYER, annotations={"a": MARKUP})],
        "annotations": {"org.opencontainers.image.title": MARKUP, MARKUP: MARKUP},
    }
    return gallery.manifest(repository, "v1", document)


@pytest.fixture
def opened(chromium):
    """Pages without any of the checks that others have: what is pushed may ask for anything."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def has_run(page) -> bool:
    # A page has loaded when all of its scripts have run, and its images have failed.
    return page.title() == RAN


@pytest.mark.parametrize("reference", ["tag", "digest"])
def test_a_manifest_that_is_a_page_runs_nothing_at_the_registry(shown, page_of, opened, reference):
    reference = {"tag": "v1", "digest": page_of}[reference]
    answer = opened.goto(f"http://{shown.address}/v2/hostile/page/manifests/{reference}")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert not has_run(opened)


def test_the_same_page_runs_where_it_is_not_kept_from_it(shown, page_of, opened):
    """The others look where something would be seen."""
    url = f"http://{shown.address}/v2/hostile/page/manifests/v1"
    body = shown.request("GET", f"/v2/hostile/page/manifests/{page_of}").body
    opened.route(url, lambda route: route.fulfill(content_type="text/html", body=body))
    opened.goto(url)
    assert has_run(opened)


@pytest.mark.parametrize(
    "path",
    [
        "/repo/hostile/page",
        "/image/hostile/page:v1",
        "/raw/hostile/page:v1",
        "/compare?a=hostile/page:v1&b=hostile/page:v1",
        "/delete?repo=hostile/page&tag=v1",
        "/search?q=hostile/page",
    ],
)
def test_a_manifest_that_is_a_page_runs_nothing_in_the_ui(shown, page_of, opened, path):
    answer = opened.goto(shown.ui + path)
    assert answer.status == 200
    assert not has_run(opened)
    assert "<script>document" not in opened.content().replace("&lt;", "")
