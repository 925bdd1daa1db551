"""Deleting: what is told before, what is done, and what is refused."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused

from holm_registry.oci.sizes import format_size
from holm_registry.ui.state.reader import RegistryReader

from .deletion import APP, agreed_form, digest_of
from .wire import Response, answer


def test_every_tag_on_the_digest_is_named_before_it_goes(gallery):
    page = gallery.page(f"/delete?repo={APP}&tag=latest")
    assert "Delete team/app:latest?" in page.text
    assert "has 4 tags: latest and, not chosen: stable v1.10 v1.10.0" in page.text
    assert "3 of which you did not choose" in page.text
    assert "Remove 1 tag" in page.text
    assert "Delete 1 image and 4 tags" in page.text
    assert "after the next garbage collection" in page.text


def test_what_goes_along_is_named_and_what_others_need_stays(gallery):
    page = gallery.page(f"/delete?repo={APP}&tag=latest")
    for role in ("linux/arm64", "linux/amd64", "SBOM", "signature"):
        assert role in page.text
    # The same provenance is part of every version.
    assert "1 of its manifests is kept: another tag needs it." in page.text


def test_a_get_deletes_nothing(gallery):
    before = gallery.tags(APP)
    gallery.page(f"/delete?repo={APP}&tag=latest&how=image&agreed=1")
    assert gallery.tags(APP) == before


def test_one_tag_is_removed_and_its_image_stays(gallery):
    digest = digest_of(gallery, APP, "latest")
    form = agreed_form(gallery.page(f"/delete?repo={APP}&tag=latest"), "tag")
    done = gallery.post("/delete", form)
    assert done.status == 303
    assert done.header("Location").startswith("/repo/team/app?result=")
    assert "latest" not in gallery.tags(APP)
    assert "stable" in gallery.tags(APP)
    assert gallery.has(APP, digest)
    page = gallery.page(done.header("Location"))
    assert "Removed 1 item." in page.text
    assert "/image/team/app:latest" not in page.rows()


def test_an_image_goes_with_all_its_tags_and_what_only_it_needs(gallery):
    digest = digest_of(gallery, APP, "latest")
    page = gallery.page(f"/delete?repo={APP}&tag=latest")
    listed = gallery.server.request("GET", f"/v2/{APP}/referrers/{digest}").json["manifests"]
    children = gallery.server.request("GET", f"/v2/{APP}/manifests/{digest}").json["manifests"]
    done = gallery.post("/delete", agreed_form(page, "image"))
    assert done.status == 303
    assert not {"latest", "stable", "v1.10", "v1.10.0"} & set(gallery.tags(APP))
    assert not any(gallery.has(APP, each["digest"]) for each in [*listed, *children[:2]])
    # Provenance is shared with the versions that stay.
    assert gallery.has(APP, children[2]["digest"])
    told = gallery.page(done.header("Location")).text
    assert "Deleted 5 items." in told
    assert "The next garbage collection frees the space." in told


def test_what_goes_along_can_be_kept(gallery):
    digest = digest_of(gallery, APP, "latest")
    children = gallery.server.request("GET", f"/v2/{APP}/manifests/{digest}").json["manifests"]
    form = agreed_form(gallery.page(f"/delete?repo={APP}&tag=latest"), "image")
    del form["companions"]
    gallery.post("/delete", form)
    assert not gallery.has(APP, digest)
    assert gallery.has(APP, children[0]["digest"])


def test_a_program_deletes_by_digest_without_a_token(gallery):
    digest = digest_of(gallery, "busybox", "1.36")
    done = gallery.post("/delete", {"repo": "busybox", "digest": digest})
    assert done.status == 303
    assert done.header("Location").startswith("/repo/busybox")
    assert not gallery.has("busybox", digest)
    assert gallery.tags("busybox") == ["uclibc"]


def test_the_page_after_the_last_tag_is_gone(gallery):
    digest = digest_of(gallery, "team/strange", "what")
    done = gallery.post("/delete", {"repo": "team/strange", "digest": digest})
    page = gallery.page(done.header("Location"))
    assert "Deleted 1 item." in page.text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"repo": "busybox"}, 400),
        ({"digest": "sha256:" + "0" * 64}, 400),
        ({"repo": "busybox", "digest": ""}, 400),
        ({"repo": "busybox", "digest": "nonsense"}, 400),
        ({"repo": "busybox", "digest": "sha256:" + "0" * 64}, 404),
        ({"repo": "nope", "digest": "sha256:" + "0" * 64}, 404),
        ({"repo": "../etc", "digest": "sha256:" + "0" * 64}, 404),
        ({"repo": "busybox", "how": "tag"}, 400),
        ({"repo": "busybox", "how": "tag", "tag": "nope"}, 404),
    ],
)
def test_bad_requests_delete_nothing(gallery, fields, status):
    assert gallery.post("/delete", fields).status == status
    assert gallery.tags("busybox") == ["1.36", "uclibc"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://registry.test"}, 303),
        ({"Origin": "http://registry.test"}, 303),
        ({}, 303),
    ],
)
def test_other_sites_cannot_make_a_browser_delete(gallery, headers, status):
    digest = digest_of(gallery, "busybox", "1.36")
    fields = {"repo": "busybox", "digest": digest}
    assert gallery.post("/delete", fields, **headers).status == status
    assert gallery.has("busybox", digest) == (status == 403)


def test_only_forms_are_taken(gallery):
    refused = gallery.post("/delete", {}, Content_Type="application/json")
    assert refused.status == 400
    assert b"expected a form" in refused.body
    huge = gallery.request(
        "POST", "/delete", b"x" * 1_100_000, Content_Type="application/x-www-form-urlencoded"
    )
    assert huge.status == 400


def test_part_of_a_tagged_index_is_refused(gallery):
    digest = digest_of(gallery, APP, "v1.9.0")
    child = gallery.server.request("GET", f"/v2/{APP}/manifests/{digest}").json["manifests"][0]
    page = gallery.page(f"/delete?repo={APP}&digest={child['digest']}")
    assert "is part of v1.9.0, which would no longer work" in page.text
    assert page.inputs("how") == []
    refused = gallery.post("/delete", {"repo": APP, "digest": child["digest"]})
    assert refused.status == 409
    assert gallery.has(APP, child["digest"])


def test_a_child_with_a_tag_of_its_own_stays(ui):
    ui.gallery.multi_platform("app", "v1")
    index = ui.server.request("GET", "/v2/app/manifests/v1").json
    child = index["manifests"][0]["digest"]
    payload = ui.server.request("GET", f"/v2/app/manifests/{child}").body
    ui.server.push_manifest("app", "v1-arm64", payload)
    page = ui.page("/delete?repo=app&tag=v1")
    assert child.partition(":")[2][:12] not in page.text.split("manifests are kept")[0]
    ui.post("/delete", agreed_form(page, "image"))
    assert ui.tags("app") == ["v1-arm64"]
    assert ui.has("app", child)


def test_what_has_changed_since_is_asked_again(gallery):
    form = agreed_form(gallery.page(f"/delete?repo={APP}&tag=v1.9.0"), "image")
    payload = gallery.server.request("GET", f"/v2/{APP}/manifests/v1.9.0").body
    gallery.server.push_manifest(APP, "production", payload)
    refused = gallery.post("/delete", form)
    assert refused.status == 409
    assert b"has changed since you were asked" in refused.body
    assert "v1.9.0" in gallery.tags(APP)


def test_a_tag_that_has_moved_since_is_not_removed(gallery):
    form = agreed_form(gallery.page(f"/delete?repo={APP}&tag=stable"), "tag")
    payload = gallery.server.request("GET", f"/v2/{APP}/manifests/v1.9.0").body
    gallery.server.push_manifest(APP, "stable", payload)
    gallery.clock.advance(10)
    assert gallery.post("/delete", form).status == 409
    assert "stable" in gallery.tags(APP)


def test_several_at_once_with_a_result_for_each(gallery):
    page = gallery.page(f"/delete?repo={APP}&tag=v1.9.0&tag=v1.10.0-rc.1")
    assert "Delete 2 tags from team/app?" in page.text
    done = gallery.post("/delete", agreed_form(page, "tag"))
    told = gallery.page(done.header("Location")).text
    assert "Removed 2 items." in told
    assert "tag v1.9.0" in told
    assert set(gallery.tags(APP)) & {"v1.9.0", "v1.10.0-rc.1"} == set()


def test_one_failure_of_several_is_told_with_its_reason(gallery):
    page = gallery.page(f"/delete?repo={APP}&tag=v1.9.0&tag=v1.10.0-rc.1")
    form = agreed_form(page, "tag")
    gallery.wire.intercept = lambda method, path, headers: (
        answer(403, b'{"errors":[{"code":"DENIED","message":"not this one"}]}')
        if (method, path) == ("DELETE", "/v2/team/app/manifests/v1.9.0")
        else None
    )
    done = gallery.post("/delete", form)
    assert done.status == 303
    told = gallery.page(done.header("Location")).text
    assert "Removed 1 item." in told
    assert "tag v1.9.0: DENIED: not this one" in told


def test_all_that_match_a_filter_are_chosen_whatever_page_they_are_on(ui):
    ui.gallery.image("big", "keep", [b"x"])
    payload = ui.server.request("GET", "/v2/big/manifests/keep").body
    for number in range(150):
        ui.server.push_manifest("big", f"nightly-{number}", payload)
    page = ui.page("/repo/big?q=nightly-*")
    link = next(link for link in page.links if "all=1" in link)
    assert "Delete all 150 tags that match" in page.text
    asked = ui.page(link)
    assert "Delete 150 tags from big?" in asked.text
    ui.post("/delete", agreed_form(asked, "tag"))
    assert ui.tags("big") == ["keep"]


def test_bytes_that_only_this_image_holds(ui):
    ui.gallery.image("app", "v1", [b"a" * 10240, b"b" * 20480])
    ui.gallery.image("app", "v2", [b"a" * 10240, b"c" * 512])
    ui.gallery.image("other", "v1", [b"c" * 512])
    for tag, layers in (("v1", 20480), ("v2", 0)):
        manifest = ui.server.request("GET", f"/v2/app/manifests/{tag}")
        only = layers + len(manifest.body) + manifest.json["config"]["size"]
        text = ui.page(f"/delete?repo=app&tag={tag}").text
        assert f"Frees {format_size(only)} after the next garbage collection." in text


def test_a_repository_larger_than_memory_is_not_deleted_from(gallery):
    index = digest_of(gallery, APP, "v1.9.0")
    child = gallery.server.request("GET", f"/v2/{APP}/manifests/{index}").json["manifests"][0]
    gallery.context.content_cache.manifests._budget_bytes = 4_000
    refused = gallery.post("/delete", {"repo": APP, "digest": child["digest"]})
    assert refused.status == 502
    assert b"more than the UI keeps in memory" in refused.body
    assert gallery.has(APP, child["digest"])


def test_a_tag_that_is_being_read_for_the_page_is_asked_for_again(gallery):
    """What a page may take from minutes ago, a deletion may not."""
    gallery.page("/repo/busybox")
    gallery.clock.advance(100)
    digest = digest_of(gallery, "busybox", "1.36")
    contents = gallery.context.content_cache
    contents.configs._values.clear()
    held: list[Deferred] = []

    def hold_configs(method, path, headers):
        if "/blobs/" in path and len(held) < 2:
            held.append(Deferred())
            return held[-1]
        return None

    gallery.wire.intercept = hold_configs
    context = gallery.context
    reader = RegistryReader(context.client, context.visitor_caches.of(""), contents, gallery.clock)
    reader.study_all("busybox")
    assert len(held) == 2
    payload = gallery.server.request("GET", "/v2/busybox/manifests/1.36").body
    gallery.server.push_manifest("busybox", "uclibc", payload)
    gallery.wire.requests_sent.clear()
    page = gallery.page(f"/delete?repo=busybox&digest={digest}")
    assert "has 2 tags" in page.text
    for one in held:
        one.errback(Refused())


def test_a_list_that_was_asked_for_before_a_deletion_is_not_believed_after_it(gallery):
    old = gallery.server.request("GET", "/v2/busybox/tags/list?n=1000")
    held: list[Deferred] = []

    def hold_first(method, path, headers):
        if path.startswith("/v2/busybox/tags/list") and not held:
            held.append(Deferred())
            return held[0]
        return None

    gallery.wire.intercept = hold_first
    waiting = gallery.connect()
    waiting.send(b"GET /repo/busybox HTTP/1.1\r\nHost: ui.test\r\n\r\n")
    digest = digest_of(gallery, "busybox", "1.36")
    assert gallery.post("/delete", {"repo": "busybox", "digest": digest}).status == 303
    held[0].callback(Response(old))
    assert gallery.page("/repo/busybox").rows() == ["/image/busybox:uclibc"]


def test_the_signature_of_a_platform_that_stays_stays(ui):
    gallery = ui.gallery
    shared = gallery.image("app", "", [b"shared"], platform="linux/arm64")
    only = gallery.image("app", "", [b"only"])
    for tag, children in (("v1", [shared, only]), ("v2", [shared])):
        gallery.index("app", tag, [{"digest": each} for each in children])
    for subject, content in ((shared, b"one"), (only, b"two")):
        part = gallery.part("app", content, "application/vnd.dev.cosign.simplesigning.v1+json")
        gallery.artifact("app", subject.replace(":", "-") + ".sig", "", [part])
    page = ui.page("/delete?repo=app&tag=v1")
    assert "1 signature and 1 manifest are deleted too" in page.text
    assert "1 of its manifests is kept" in page.text
    ui.post("/delete", agreed_form(page, "image"))
    assert sorted(ui.tags("app")) == [shared.replace(":", "-") + ".sig", "v2"]
