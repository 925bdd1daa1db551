"""Conditions on answers, and HEAD, on every route: RFC 9110, sections 9.3.2, 12 and 13."""

from __future__ import annotations

import pytest

from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST

from ..images import image, index

CHILD = image(b"{}", [b"layer"], media_type=DOCKER_MANIFEST)
LIST = index([CHILD], media_type=DOCKER_LIST)
BLOB = Digest.of(b"layer")


@pytest.fixture
def filled(memory):
    memory.push_image("a", "v1", b"{}", [b"layer"])
    memory.push_manifest("a", "child", CHILD)
    memory.push_manifest("a", "list", LIST)
    return memory


def test_head_is_get_without_a_body_on_every_route(filled):
    upload = filled.start_upload("a")
    paths = [
        *("/", "/v2/", "/v2", "/v2/_catalog", "/v2/_catalog?n=1", "/v2/a/tags/list?n=1"),
        *("/v2/a/manifests/v1", "/v2/a/manifests/list", f"/v2/a/manifests/{Digest.of(CHILD)}"),
        *(f"/v2/a/blobs/{BLOB}", f"/v2/a/referrers/{Digest.of(CHILD)}?artifactType=a/b", upload),
        *("/nowhere", "/v2/A/tags/list", "/v2/a/manifests/none", "/v2/a/blobs/uploads/"),
        *(f"/v2/a/blobs/{Digest.of(b'none')}", "/v2/_catalog?n=x", "/v2/a/tags/list/", "//v2/"),
    ]
    for path in paths:
        got, head = (filled.request(each, path, X_Request_Id="1") for each in ("GET", "HEAD"))
        assert (head.status, head.body) == (got.status, b""), path
        assert without_date(head) == without_date(got), path
        assert got.header("Content-Length") == str(len(got.body)) or got.status == 204, path


def without_date(answer):
    return {name: values for name, values in answer.headers.getAllRawHeaders() if name != b"Date"}


@pytest.mark.parametrize(
    ("accept", "served"),
    [
        (None, LIST),
        ("*/*", LIST),
        (f"{DOCKER_MANIFEST}, {DOCKER_LIST};q=0.1", LIST),
        (DOCKER_MANIFEST, CHILD),
        (f"{DOCKER_MANIFEST}, {DOCKER_LIST};q=0.0", CHILD),
        (f"*/*, {DOCKER_LIST};q=0.000", CHILD),
        (["application/json", DOCKER_LIST], LIST),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_accept_has_chosen_is_kept_apart_in_caches(filled, method, accept, served):
    headers = {} if accept is None else {"Accept": accept}
    answer = filled.request(method, "/v2/a/manifests/list", **headers)
    assert answer.header("Docker-Content-Digest") == str(Digest.of(served))
    assert answer.header("Vary") == "Accept"
    again = filled.request(
        method, "/v2/a/manifests/list", If_None_Match=answer.header("ETag"), **headers
    )
    assert (again.status, again.header("Vary")) == (304, "Accept")


def test_an_error_that_accept_has_chosen_is_too(filled):
    filled.request("DELETE", f"/v2/a/manifests/{Digest.of(CHILD)}")
    answer = filled.request("GET", "/v2/a/manifests/list", Accept=DOCKER_MANIFEST)
    assert (answer.status, answer.header("Vary")) == (404, "Accept")
    assert answer.header("Docker-Content-Digest") is None


@pytest.mark.parametrize("path", ["manifests/v1", f"manifests/{Digest.of(LIST)}"])
def test_what_accept_has_not_chosen_is_not(filled, path):
    answer = filled.request("GET", f"/v2/a/{path}", Accept="text/plain")
    assert (answer.status, answer.header("Vary")) == (200, None)


PATHS = ["/v2/a/manifests/v1", f"/v2/a/manifests/{Digest.of(CHILD)}", f"/v2/a/blobs/{BLOB}"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(filled, method, path):
    etag = filled.request(method, path).header("ETag")
    for named in (etag, f"W/{etag}", "*", f'"x", {etag}', ['"x"', etag], etag.strip('"')):
        answer = filled.request(method, path, If_None_Match=named)
        assert (answer.status, answer.body, answer.header("ETag")) == (304, b"", etag)
        assert answer.header("Content-Length") is None
    for named in ("", '"x"', f'"x {etag[1:]}', ","):
        assert filled.request(method, path, If_None_Match=named).status == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_only_what_the_client_means_is_sent(filled, method, path):
    etag = filled.request(method, path).header("ETag")
    for named in (etag, "*", f'"x", {etag}', ['"x"', etag]):
        assert filled.request(method, path, If_Match=named).status == 200
    for named in ('"x"', f"W/{etag}", ""):
        answer = filled.request(method, path, If_Match=named, If_None_Match=etag)
        assert answer.status == 412
        assert answer.header("ETag") is None
        assert answer.header("Cache-Control") is None
    assert filled.request(method, path.replace("a", "b", 1), If_Match="*").status == 404
