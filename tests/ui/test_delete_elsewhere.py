"""Deleting from registries that lack something: an API, a platform, a tag's manifest."""

from __future__ import annotations

import json

import pytest

from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest

from .deletion import APP, agreed_form, digest_of
from .wire import Ui, answer


def errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def test_a_repository_with_an_unreadable_platform_is_named(ui):
    ui.gallery.image("app", "v1", [b"base layer " * 200])
    ui.gallery.multi_platform("other", "v1")
    child = ui.server.request("GET", "/v2/other/manifests/v1").json["manifests"][0]["digest"]
    ui.wire.intercept = lambda method, path, headers: (
        answer(500) if path == f"/v2/other/manifests/{child}" else None
    )
    ui.page("/")
    assert "other could not be read" in ui.page("/delete?repo=app&tag=v1").text


def test_a_registry_that_deletes_by_digest_only_is_told_apart(gallery):
    def refuse_tags(method, path, headers):
        if method == "DELETE" and "sha256:" not in path:
            return answer(400, b'{"errors":[{"code":"DIGEST_INVALID","message":"no digest"}]}')
        return None

    gallery.wire.intercept = refuse_tags
    page = gallery.page(f"/delete?repo={APP}&tag=latest")
    assert "Some registries, registry:2 among them, refuse this" in page.text
    refused = gallery.post("/delete", {"repo": APP, "how": "tag", "tag": "latest"})
    assert refused.status == 502
    assert b"nothing was deleted" in refused.body
    assert "latest" in gallery.tags(APP)
    assert "stable" in gallery.tags(APP)
    page = gallery.page(f"/delete?repo={APP}&tag=latest")
    assert "This registry deletes by digest only" in page.text
    assert "Remove 1 tag" not in page.text


@pytest.mark.parametrize(
    ("method", "path", "failure", "said"),
    [
        ("DELETE", "", answer(405, errors("UNSUPPORTED", "off")), b"UNSUPPORTED: off"),
        ("GET HEAD", "/v2/busybox/manifests/uclibc", answer(500), b"cannot be read"),
    ],
    ids=["the registry does not delete", "a tag cannot be read"],
)
def test_what_keeps_a_deletion_from_being_done_is_said(gallery, method, path, failure, said):
    gallery.wire.intercept = lambda asked, where, headers: (
        failure if asked in method and where.startswith(path) else None
    )
    digest = digest_of(gallery, "busybox", "1.36")
    refused = gallery.post("/delete", {"repo": "busybox", "digest": digest})
    assert refused.status == 502
    assert said in refused.body
    assert gallery.has("busybox", digest)


def fallback(ui: Ui) -> tuple[str, str, str]:
    """Have a subject and two referrers on a registry without the API; give their digests."""
    gallery = ui.gallery
    subject = gallery.image("app", "v1", [b"x"])
    first, second = (
        gallery.attach("app", subject, f"application/vnd.example.{name}", name.encode())
        for name in ("one", "two")
    )
    gallery.index(
        "app",
        subject.replace(":", "-"),
        [
            {"digest": first, "artifactType": "application/vnd.example.one"},
            {"digest": second, "artifactType": "application/vnd.example.two"},
        ],
    )
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"404 page not found") if "/referrers/" in path else None
    )
    return subject, first, second


def test_without_the_api_referrers_are_found_by_tag_and_go_along(ui):
    subject, first, second = fallback(ui)
    assert "application/vnd.example.one" in ui.page("/image/app:v1").text
    page = ui.page("/delete?repo=app&tag=v1")
    assert "list of referrers" in page.text
    ui.post("/delete", agreed_form(page, "image"))
    assert ui.tags("app") == []
    assert not any(ui.has("app", digest) for digest in (subject, first, second))


def test_a_deleted_referrer_is_taken_off_its_subjects_list(ui):
    subject, first, second = fallback(ui)
    assert ui.post("/delete", {"repo": "app", "digest": first}).status == 303
    tag = subject.replace(":", "-")
    listed = ui.server.request("GET", f"/v2/app/manifests/{tag}").json["manifests"]
    assert [each["digest"] for each in listed] == [second]
    assert ui.post("/delete", {"repo": "app", "digest": second}).status == 303
    assert ui.tags("app") == ["v1"]


def test_an_index_that_lacks_a_platform_can_be_deleted(ui):
    """Sparse indexes are allowed here and there."""
    gallery = ui.gallery
    digest = gallery.image("app", "", [b"x"])
    entry = {
        "mediaType": media_types.OCI_MANIFEST,
        "digest": "sha256:" + "1" * 64,
        "size": 1,
        "platform": {"os": "linux", "architecture": "amd64"},
    }
    document = json.dumps(
        {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry]}
    ).encode()
    index = answer(200, document, Content_Type=media_types.OCI_INDEX)
    at = str(Digest.of(document))
    index.headers.setRawHeaders("Docker-Content-Digest", [at])
    deleted = []

    def intercept(method, path, headers):
        if path == "/v2/app/tags/list?n=1000":
            return answer(200, b'{"name":"app","tags":["v1"]}')
        if path in ("/v2/app/manifests/v1", f"/v2/app/manifests/{at}"):
            if method == "DELETE":
                deleted.append(path)
                return answer(202)
            return index
        return None

    ui.wire.intercept = intercept
    page = ui.page("/image/app:v1")
    assert "its manifest is missing in the registry" in page.text
    page = ui.page("/delete?repo=app&tag=v1")
    ui.post("/delete", agreed_form(page, "image"))
    assert deleted == [f"/v2/app/manifests/{at}"]
    assert ui.has("app", digest)


def test_a_tag_that_can_no_longer_be_looked_at_stops_a_deletion_as_well(gallery):
    digest = digest_of(gallery, "busybox", "1.36")
    gallery.page("/repo/busybox")
    gallery.clock.advance(60)
    gallery.wire.intercept = lambda method, path, headers: (
        answer(500) if path == "/v2/busybox/manifests/uclibc" else None
    )
    assert gallery.post("/delete", {"repo": "busybox", "digest": digest}).status == 502
    assert gallery.has("busybox", digest)


def test_a_tag_with_nothing_behind_it_stops_none(gallery):
    digest = digest_of(gallery, "busybox", "1.36")
    gallery.wire.intercept = lambda method, path, headers: (
        answer(404, b"{}") if path == "/v2/busybox/manifests/uclibc" else None
    )
    page = gallery.page("/repo/busybox")
    assert len(page.rows()) == 2
    assert "manifest missing" in page.text
    assert gallery.post("/delete", {"repo": "busybox", "digest": digest}).status == 303


def test_a_list_of_referrers_that_cannot_be_mended_is_told(ui):
    _, first, _ = fallback(ui)
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"404 page not found")
        if "/referrers/" in path
        else answer(405)
        if method == "PUT"
        else None
    )
    done = ui.post("/delete", {"repo": "app", "digest": first})
    assert done.status == 303
    told = ui.page(done.header("Location")).text
    assert "Deleted 1 item." in told
    assert "1 item not deleted: its entry in the list" in told


def test_without_a_catalog_the_bytes_are_a_bound(ui):
    ui.gallery.image("app", "v1", [b"a" * 10240])
    ui.wire.intercept = lambda method, path, headers: (
        answer(404, b"{}") if "_catalog" in path else None
    )
    assert "Frees up to" in ui.page("/delete?repo=app&tag=v1").text


def test_every_page_of_referrers_is_read(gallery):
    digest = digest_of(gallery, APP, "latest")
    path = f"/v2/{APP}/referrers/{digest}"
    listed = gallery.server.request("GET", path).json

    def one_a_page(method, asked, headers):
        if not asked.startswith(path):
            return None
        number = int(asked.partition("?page=")[2] or 0)
        page = json.dumps({**listed, "manifests": listed["manifests"][number : number + 1]})
        link = {"Link": f'<{path}?page={number + 1}>; rel="next"'} if number == 0 else {}
        return answer(200, page.encode(), **link)

    gallery.wire.intercept = one_a_page
    page = gallery.page(f"/delete?repo={APP}&tag=latest")
    assert "SBOM" in page.text
    assert "signature" in page.text
