"""Doubled and trailing slashes lead to the address that they mean."""

from __future__ import annotations

import pytest

from holm_registry.api.canonical_path import canonical_path

from .test_proxies import believing
from .wire import Server

DIGEST = f"sha256:{'0' * 64}"

#: What registry 2.8.2 redirects, and where to.
REDIRECTED = {
    "//v2/": "/v2/",
    "/v2//": "/v2/",
    "///": "/",
    "/v2/_catalog/": "/v2/_catalog",
    "//v2/_catalog": "/v2/_catalog",
    "/v2//_catalog": "/v2/_catalog",
    "/v2/a/tags/list/": "/v2/a/tags/list",
    "/v2/a/tags/list/?n=1&last=a%2Fb": "/v2/a/tags/list?n=1&last=a%2Fb",
    "/v2//a//b/tags/list": "/v2/a/b/tags/list",
    "/v2/a/manifests/v1/": "/v2/a/manifests/v1",
    "/v2/a/manifests//v1": "/v2/a/manifests/v1",
    f"/v2/a/blobs/{DIGEST}/": f"/v2/a/blobs/{DIGEST}",
    f"/v2/a/referrers/{DIGEST}/": f"/v2/a/referrers/{DIGEST}",
    "/v2/a/blobs/uploads//": "/v2/a/blobs/uploads/",
    "/v2/a/blobs/uploads/x/": "/v2/a/blobs/uploads/x",
    "/v2/a/tags/list/?a=<\"'>": "/v2/a/tags/list?a=%3C%22'%3E",
}


@pytest.mark.parametrize("path", REDIRECTED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_what_registry2_redirects_is_redirected(memory, method, path):
    answer = memory.request(method, path)
    assert answer.status == (301 if method in ("GET", "HEAD") else 308)
    assert answer.header("Location") == REDIRECTED[path]
    assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0"


@pytest.mark.parametrize(
    "path",
    ["/", "/v2/", "/v2", "/v2/a/blobs/uploads/", "/v2/a/blobs/uploads", "/v2/a/manifests/v1.0"],
)
def test_other_addresses_are_answered_where_they_are(path):
    assert canonical_path(path.encode()) is None


@pytest.mark.parametrize("path", ["//evil.example/", "/v1//", "//v1/a/tags/list", "/v2//a%2fb/"])
def test_an_address_that_means_nothing_leads_nowhere(memory, path):
    answer = memory.request("GET", path)
    assert answer.status in (400, 404)
    assert answer.codes
    assert answer.header("Location") is None


def test_where_a_redirect_leads_is_no_redirect():
    for path in REDIRECTED.values():
        assert canonical_path(path.partition("?")[0].encode()) is None


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/images//v2/a/tags/list", "/images/v2/a/tags/list"),
        ("//images/v2/", "/images/v2/"),
        ("/images/v2/_catalog/", "/images/v2/_catalog"),
        ("/images//", "/images/"),
    ],
)
def test_a_prefix_is_part_of_the_address(path, target):
    assert canonical_path(path.encode(), b"/images/") == target.encode()


def test_a_body_is_not_read_before_a_redirect(memory):
    answer = memory.request("PUT", "//v2/a/manifests/v1", b"{}", Expect="100-continue")
    assert answer.status == 308
    assert memory.request("GET", "/v2/a/tags/list").status == 404


def test_the_path_that_a_trusted_proxy_took_away_is_put_back():
    for server, taken in ((Server(proxies=believing()), "/images"), (Server(), "")):
        answer = server.request("GET", "/v2//_catalog", X_Forwarded_Prefix="/images")
        assert answer.header("Location") == f"{taken}/v2/_catalog"


def test_a_redirect_leads_to_what_is_meant(memory):
    memory.push_image("a", "v1", b"c", [b"1"])
    answer = memory.request("GET", "/v2/a/manifests/v1/")
    assert memory.request("GET", answer.header("Location")).status == 200
