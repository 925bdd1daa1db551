"""What holds for every address: version check, CORS, errors, addresses that hide something."""

from __future__ import annotations

import pytest
from twisted.logger import globalLogPublisher

from holm_registry.api.locations import Locations

from .wire import Server


def test_the_version_check_says_that_this_is_a_registry(memory):
    for path in ("/v2/", "/v2"):
        answer = memory.request("GET", path)
        assert (answer.status, answer.json) == (200, {})
        assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0"
        assert answer.header("Content-Type") == "application/json"


def test_the_root_answers_load_balancers(memory):
    answer = memory.request("GET", "/")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Cache-Control") == "no-cache"


def test_preflight_requests_are_answered_anywhere_before_anything_else(memory):
    for path in ("/v2/", "/v2/a/manifests/x", "/v2/NOT%2fVALID/x", "/nowhere"):
        answer = memory.request("OPTIONS", path)
        assert answer.status == 200
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Content-Length") == "0"
        assert "DELETE" in answer.header("Allow")


def test_errors_carry_the_headers_of_browsers_too(memory):
    for path in ("/v2/a/manifests/x", "/nowhere", "/v2/a%2fb/tags/list"):
        answer = memory.request("GET", path)
        assert answer.status >= 400
        assert answer.header("Access-Control-Allow-Origin") == "*"
        assert answer.header("Access-Control-Expose-Headers") == "Docker-Content-Digest"
        assert answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/v2/a",
        "/v2/a/manifests/",
        "/v1/",
        "/v2/a/tags",
        "/v2//tags/list",
        "/v2/a/blobs/uploads/x/y",
        "/v2/a/referrers/",
    ],
)
def test_unknown_addresses_are_json_404s(memory, path):
    answer = memory.request("GET", path)
    assert answer.status in (400, 404), answer
    assert answer.codes[0] in ("NAME_UNKNOWN", "NAME_INVALID")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v2/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v2/_catalog", "GET, HEAD, OPTIONS"),
        ("POST", "/v2/a/tags/list", "GET, HEAD, OPTIONS"),
        ("POST", "/v2/a/manifests/x", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("PATCH", "/v2/a/blobs/sha256:" + "0" * 64, "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/v2/a/blobs/uploads/", "OPTIONS, POST"),
        ("POST", "/v2/a/blobs/uploads/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("PUT", "/v2/a/referrers/sha256:" + "0" * 64, "GET, HEAD, OPTIONS"),
        ("BREW", "/v2/", "GET, HEAD, OPTIONS"),
    ],
)
def test_wrong_methods_are_told_the_right_ones(memory, method, path, allowed):
    answer = memory.request(method, path)
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert answer.header("Allow") == allowed


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/a%2fb/tags/list", "NAME_INVALID"),
        ("/v2/a%2Fb/tags/list", "NAME_INVALID"),
        ("/v2/a%00b/tags/list", "NAME_INVALID"),
        ("/v2/a%0d%0ab/tags/list", "NAME_INVALID"),
        ("/v2/%ff%fe/tags/list", "NAME_INVALID"),
        ("/v2/../../etc/tags/list", "NAME_INVALID"),
        ("/v2/a/../b/tags/list", "NAME_INVALID"),
        ("/v2/%2e%2e/tags/list", "NAME_INVALID"),
        ("/v2/Upper/tags/list", "NAME_INVALID"),
        ("/v2/" + "a" * 10_000 + "/tags/list", "NAME_INVALID"),
        ("/v2/" + "a/" * 5000 + "b/tags/list", "NAME_INVALID"),
        ("/v2/a/manifests/..", "TAG_INVALID"),
        ("/v2/a/manifests/" + "x" * 5000, "TAG_INVALID"),
        ("/v2/a/manifests/sha256:..", "DIGEST_INVALID"),
        ("/v2/a/manifests/sha256:" + "0" * 5000, "DIGEST_INVALID"),
        ("/v2/a/blobs/latest", "DIGEST_INVALID"),
        ("/v2/a/blobs/..", "DIGEST_INVALID"),
        ("/v2/a/blobs/uploads/..", "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/a/blobs/uploads/.hidden", "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/a/referrers/latest", "DIGEST_INVALID"),
        ("/v2/_catalog?n=x", "PAGINATION_NUMBER_INVALID"),
    ],
)
def test_path_tricks_get_a_clean_error(server, path, code):
    answer = server.request("GET", path)
    assert answer.codes == [code]
    assert 400 <= answer.status < 500
    assert len(answer.body) < 1500


def test_a_host_that_is_no_text_is_refused(memory):
    answer = memory.request("GET", "/v2/", Host="\xff\xfe")
    assert answer.status in (200, 400)


def test_an_encoded_colon_is_a_colon(memory):
    digest = memory.push_blob("a", b"x")
    assert memory.request("GET", f"/v2/a/blobs/{digest.replace(':', '%3A')}").body == b"x"


def test_names_may_hold_the_words_of_the_api(server):
    for name in ("a/blobs/uploads", "blobs/uploads/b", "manifests", "a/tags/list/b", "v2", "tags"):
        digest = server.push_image(name, "v1", b"c", [b"l"])
        assert server.request("GET", f"/v2/{name}/manifests/v1").status == 200
        assert server.request("GET", f"/v2/{name}/manifests/{digest}").status == 200
        assert server.request("GET", f"/v2/{name}/tags/list").json["tags"] == ["v1"]


def test_a_prefix_is_part_of_every_address():
    server = Server(prefix="/reg/", settings={"locations": Locations("", "/reg")})
    assert server.request("GET", "/reg/v2/").status == 200
    assert server.request("GET", "/v2/").status == 404
    location = server.request("POST", "/reg/v2/a/blobs/uploads/").header("Location")
    assert location.startswith("/reg/v2/a/blobs/uploads/")
    assert server.request("GET", location).status == 204


def test_a_host_is_part_of_every_location():
    server = Server(settings={"locations": Locations("https://r.example:8443")})
    location = server.request("POST", "/v2/a/blobs/uploads/").header("Location")
    assert location.startswith("https://r.example:8443/v2/a/blobs/uploads/")


def test_a_fault_is_logged_and_answered_without_its_text(memory, logged_failures, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr(memory.registry.catalog, "page", broken)
    answer = memory.request("GET", "/v2/_catalog")
    assert (answer.status, answer.codes) == (500, ["UNKNOWN"])
    assert b"secret" not in answer.body
    assert answer.json["errors"][0]["detail"]["request_id"]
    assert [failure.type for failure in logged_failures] == [ZeroDivisionError]
    logged_failures.clear()


def test_each_request_is_a_line_in_the_access_log(memory):
    memory.request("GET", "/v2/", User_Agent='curl "7"\t', Referer="x", X_Request_Id="id-1")
    (line,) = memory.access_log
    assert line.endswith('"GET /v2/ HTTP/1.1" 200 2 "x" "curl \\"7\\"" id-1\n')


def test_no_login_is_in_any_log(memory, monkeypatch, logged_failures):
    events = []
    globalLogPublisher.addObserver(events.append)
    monkeypatch.setattr(memory.registry.catalog, "page", lambda *_: 1 / 0)
    for path in ("/v2/", "/v2/_catalog", "/nowhere"):
        memory.request("GET", path, Authorization="Basic c2VjcmV0OnNlY3JldA==", Cookie="secret")
    globalLogPublisher.removeObserver(events.append)
    assert len(memory.access_log) == 3
    text = repr(events) + "".join(memory.access_log)
    assert "ZeroDivisionError" in text
    assert "c2VjcmV0" not in text
    assert "secret" not in text
    logged_failures.clear()


def test_an_error_says_by_which_name_it_is_in_the_access_log(memory):
    answer = memory.request("GET", "/v2/a/manifests/none")
    assert memory.access_log[-1].split()[-1] == answer.header("X-Request-Id")
    again = memory.request("GET", "/v2/a/manifests/none")
    assert again.header("X-Request-Id") != answer.header("X-Request-Id")
    given = memory.request("GET", "/nowhere", X_Request_Id="proxy.7_a-B")
    assert given.header("X-Request-Id") == "proxy.7_a-B"


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a" * 65, "a\\nb", "\u00e4"])
def test_a_name_that_could_deceive_who_reads_the_log_is_not_taken(memory, name):
    answer = memory.request("GET", "/nowhere", X_Request_Id=name)
    assert len(answer.header("X-Request-Id")) == 32
    assert memory.access_log[-1].split()[-1] == answer.header("X-Request-Id")


@pytest.mark.parametrize(
    "name", ["Content-Type", "Range", "If-None-Match", "If-Range", "Accept", "Content-Range"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST"])
def test_a_header_that_is_no_text_is_no_fault_of_ours(memory, method, name):
    digest = memory.push_image("a", "v1", b"c", [b"l"])
    upload = memory.start_upload("a")
    for path in (f"/v2/a/manifests/{digest}", "/v2/a/blobs/uploads/", upload):
        answer = memory.request(method, path, b"", **{name.replace("-", "_"): "\xe4\xff"})
        assert answer.status != 500


def test_a_read_only_registry_refuses_writes_and_serves_reads():
    full = Server()
    digest = full.push_image("a", "v1", b"c", [b"l"])
    server = Server(full.driver, settings={"read_only": True})
    for method, path in [
        ("POST", "/v2/a/blobs/uploads/"),
        ("PATCH", "/v2/a/blobs/uploads/x"),
        ("PUT", "/v2/a/blobs/uploads/x"),
        ("DELETE", "/v2/a/blobs/uploads/x"),
        ("PUT", "/v2/a/manifests/v1"),
        ("DELETE", "/v2/a/manifests/v1"),
        ("DELETE", f"/v2/a/manifests/{digest}"),
        ("DELETE", f"/v2/a/blobs/{digest}"),
    ]:
        answer = server.request(method, path)
        assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"]), (method, path)
    assert server.request("GET", "/v2/a/manifests/v1").status == 200


def test_deletion_can_be_switched_off():
    server = Server(settings={"deletes": False})
    digest = server.push_image("a", "v1", b"c", [b"l"])
    for path in ("manifests/v1", f"manifests/{digest}", f"blobs/{digest}"):
        answer = server.request("DELETE", f"/v2/a/{path}")
        assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert server.request("GET", "/v2/a/manifests/v1").status == 200
    location = server.start_upload("a")
    assert server.request("DELETE", location).status == 204, "an upload is no content yet"
