from __future__ import annotations

import pytest

from holm_registry.oci.digest import Digest

from .wire import Server

CONTENT = bytes(range(256)) * 8


def with_digest(location: str, content: bytes, algorithm: str = "sha256") -> str:
    return f"{location}?digest={Digest.of(content, algorithm)}"


def is_created(answer, repository, content, algorithm="sha256"):
    digest = str(Digest.of(content, algorithm))
    assert answer.status == 201, answer
    assert answer.header("Location") == f"/v2/{repository}/blobs/{digest}"
    assert answer.header("Docker-Content-Digest") == digest
    assert answer.header("Content-Length") == "0"


def is_progress(answer, status, location, size):
    assert answer.status == status, answer
    assert answer.header("Location") == location
    assert answer.header("Range") == f"0-{max(0, size - 1)}"
    assert answer.header("Docker-Upload-UUID") == location.rsplit("/", 1)[1]


def test_an_upload_begins(server):
    answer = server.request("POST", "/v2/a/b/blobs/uploads/")
    location = answer.header("Location")
    assert location.startswith("/v2/a/b/blobs/uploads/")
    is_progress(answer, 202, location, 0)
    assert answer.header("OCI-Chunk-Min-Length") == "1"
    assert answer.header("Content-Length") == "0"
    assert server.request("POST", "/v2/a/b/blobs/uploads").status == 202, "without its slash too"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_comes_with_the_put(server, algorithm):
    location = server.start_upload("a")
    answer = server.request("PUT", with_digest(location, CONTENT, algorithm), CONTENT)
    is_created(answer, "a", CONTENT, algorithm)
    assert server.request("GET", answer.header("Location")).body == CONTENT
    assert server.request("GET", location).status == 404, "the session has ended"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_comes_with_the_post(server, algorithm):
    path = f"/v2/a/blobs/uploads/?digest={Digest.of(CONTENT, algorithm)}"
    answer = server.request("POST", path, CONTENT, Content_Type="application/octet-stream")
    is_created(answer, "a", CONTENT, algorithm)
    assert server.request("GET", answer.header("Location")).body == CONTENT


def test_an_empty_blob_comes_with_the_post(server):
    answer = server.request("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(b'')}", b"")
    is_created(answer, "a", b"")


def test_a_blob_comes_in_chunks(server):
    location = server.start_upload("a")
    for start in (0, 1000, 2000):
        chunk = CONTENT[start : start + 1000]
        answer = server.request(
            "PATCH", location, chunk, Content_Range=f"{start}-{start + len(chunk) - 1}"
        )
        is_progress(answer, 202, location, start + len(chunk))
        is_progress(server.request("GET", location), 204, location, start + len(chunk))
    is_created(server.request("PUT", with_digest(location, CONTENT)), "a", CONTENT)


def test_the_last_chunk_may_come_with_the_put(server):
    location = server.start_upload("a")
    server.request("PATCH", location, CONTENT[:1000], Content_Range="0-999")
    answer = server.request(
        "PUT", with_digest(location, CONTENT), CONTENT[1000:], Content_Range="1000-2047"
    )
    is_created(answer, "a", CONTENT)


def test_a_blob_comes_as_a_stream_of_unknown_length(server):
    location = server.start_upload("a")
    body = b"400\r\n" + CONTENT[:1024] + b"\r\n400\r\n" + CONTENT[1024:] + b"\r\n0\r\n\r\n"
    answer = server.request("PATCH", location, body, Transfer_Encoding="chunked")
    is_progress(answer, 202, location, 2048)
    is_created(server.request("PUT", with_digest(location, CONTENT)), "a", CONTENT)


def test_an_algorithm_can_be_named_at_the_start(server):
    answer = server.request("POST", "/v2/a/blobs/uploads/?digest-algorithm=sha512")
    location = answer.header("Location")
    server.request("PATCH", location, CONTENT)
    is_created(
        server.request("PUT", with_digest(location, CONTENT, "sha512")), "a", CONTENT, "sha512"
    )
    refused = server.request("POST", "/v2/a/blobs/uploads/?digest-algorithm=md5")
    assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])


def test_parameters_other_registries_need_are_taken_and_not_needed(server):
    location = server.start_upload("a") + "?_state=whatever"
    assert server.request("PATCH", location, CONTENT).status == 202
    answer = server.request("PUT", f"{location}&digest={Digest.of(CONTENT)}")
    is_created(answer, "a", CONTENT)


@pytest.mark.parametrize("header", ["5-9", "1-1000", "1000-1999"])
def test_a_chunk_out_of_order_is_told_where_to_go_on(server, header):
    location = server.start_upload("a")
    server.request("PATCH", location, CONTENT[:100], Content_Range="0-99")
    start, _, end = header.partition("-")
    chunk = CONTENT[int(start) : int(end) + 1]
    for method in ("PATCH", "PUT"):
        answer = server.request(method, with_digest(location, CONTENT), chunk, Content_Range=header)
        assert answer.codes == ["RANGE_INVALID"]
        is_progress(answer, 416, location, 100)
    is_progress(server.request("GET", location), 204, location, 100)


@pytest.mark.parametrize(
    "header", ["bytes", "9-5", "bytes=100-199", "-5", "a-b", "100-", "100-199/x", "9" * 5000]
)
def test_a_chunk_range_that_does_not_parse_is_told_where_to_go_on(server, header):
    location = server.start_upload("a")
    server.request("PATCH", location, CONTENT[:100], Content_Range="0-99")
    for method in ("PATCH", "PUT"):
        answer = server.request(
            method, with_digest(location, CONTENT), CONTENT[100:200], Content_Range=header
        )
        assert answer.codes == ["RANGE_INVALID"]
        is_progress(answer, 416, location, 100)
    is_progress(server.request("GET", location), 204, location, 100)


def test_a_chunk_of_another_length_than_it_says_is_refused(server):
    location = server.start_upload("a")
    answer = server.request("PATCH", location, CONTENT[:100], Content_Range="0-9")
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    for length, header in ((100, "0-9"), (5, "0-9")):
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (length, CONTENT[:length])
        answer = server.request(
            "PATCH",
            server.start_upload("a"),
            body,
            Content_Range=header,
            Transfer_Encoding="chunked",
        )
        assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])


def test_a_range_that_does_not_parse_is_refused(server):
    location = server.start_upload("a")
    answer = server.request("PATCH", location, b"x", Content_Range="one-two")
    assert (answer.status, answer.codes) == (416, ["RANGE_INVALID"])


@pytest.mark.parametrize("query", ["", "?digest=", "?digest=sha256:x", "?digest=md5:" + "0" * 32])
def test_a_bad_digest_is_refused_and_the_upload_kept(server, query):
    location = server.start_upload("a")
    server.request("PATCH", location, CONTENT)
    answer = server.request("PUT", location + query)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    is_created(server.request("PUT", with_digest(location, CONTENT)), "a", CONTENT)


def test_a_digest_of_other_content_is_refused_and_the_upload_gone(server):
    location = server.start_upload("a")
    server.request("PATCH", location, CONTENT)
    answer = server.request("PUT", with_digest(location, b"other"))
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert answer.json["errors"][0]["detail"] == {
        "digest": str(Digest.of(b"other")),
        "actual": str(Digest.of(CONTENT)),
    }
    assert server.request("GET", location).status == 404
    for content in (b"other", CONTENT):
        assert server.request("GET", f"/v2/a/blobs/{Digest.of(content)}").status == 404


def test_a_post_with_other_content_leaves_nothing(server):
    answer = server.request("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(b'other')}", CONTENT)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert not server.driver.folders("docker/registry/v2/repositories/a/_uploads")
    refused = server.request("POST", "/v2/a/blobs/uploads/?digest=sha256:x", CONTENT)
    assert (refused.status, refused.codes) == (400, ["DIGEST_INVALID"])


def test_an_upload_can_be_cancelled(server):
    location = server.start_upload("a")
    server.request("PATCH", location, CONTENT)
    answer = server.request("DELETE", location)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("Docker-Upload-UUID") == location.rsplit("/", 1)[1]
    assert server.request("DELETE", location).status == 404
    assert not server.driver.folders("docker/registry/v2/repositories/a/_uploads")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "PUT", "DELETE"])
def test_an_unknown_upload_is_404(server, method):
    path = with_digest("/v2/a/blobs/uploads/3d0b1c1e-8d5a-4f5c-9c35-6a2f7f6e0a11", CONTENT)
    answer = server.request(method, path, CONTENT if method in ("PATCH", "PUT") else None)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_upload_belongs_to_its_repository(server):
    location = server.start_upload("a")
    assert server.request("GET", location.replace("/v2/a/", "/v2/b/")).status == 404


def test_a_blob_is_mounted_from_another_repository(server):
    digest = server.push_blob("from", CONTENT)
    answer = server.request("POST", f"/v2/to/blobs/uploads/?mount={digest}&from=from")
    is_created(answer, "to", CONTENT)
    assert server.request("GET", f"/v2/to/blobs/{digest}").body == CONTENT


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_mounted_from_wherever_it_is(server, algorithm):
    digest = server.push_blob("from", CONTENT, algorithm)
    answer = server.request("POST", f"/v2/to/blobs/uploads/?mount={digest}")
    is_created(answer, "to", CONTENT, algorithm)


def test_what_cannot_be_mounted_begins_an_upload(server):
    digest = server.push_blob("from", CONTENT)
    for query in (f"mount={digest}&from=elsewhere", f"mount={Digest.of(b'nowhere')}"):
        answer = server.request("POST", f"/v2/to/blobs/uploads/?{query}")
        is_progress(answer, 202, answer.header("Location"), 0)
    for query, code in (
        ("mount=sha256:x&from=a", "DIGEST_INVALID"),
        (f"mount={digest}&from=../a", "NAME_INVALID"),
    ):
        answer = server.request("POST", f"/v2/to/blobs/uploads/?{query}")
        assert (answer.status, answer.codes) == (400, [code])


def test_pushing_what_is_there_is_fine(server):
    for repository in ("a", "a", "b"):
        server.push_blob(repository, CONTENT)
        assert server.request("GET", f"/v2/{repository}/blobs/{Digest.of(CONTENT)}").status == 200


def test_a_torn_blob_is_mended_by_pushing_it_again(server):
    digest = Digest.of(CONTENT)
    server.push_blob("a", CONTENT)
    path = f"docker/registry/v2/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data"
    server.driver.put(path, CONTENT[:100])
    server.push_blob("a", CONTENT)
    assert server.request("GET", f"/v2/a/blobs/{digest}").body == CONTENT


def test_an_upload_goes_on_after_a_restart(driver):
    from .wire import Server

    location = Server(driver).start_upload("a")
    Server(driver).request("PATCH", location, CONTENT[:1000])
    later = Server(driver)
    is_progress(later.request("GET", location), 204, location, 1000)
    later.request("PATCH", location, CONTENT[1000:], Content_Range="1000-2047")
    is_created(Server(driver).request("PUT", with_digest(location, CONTENT)), "a", CONTENT)


def test_an_upload_that_another_process_carried_on_is_hashed_anew(driver):
    from .wire import Server

    first, second = Server(driver), Server(driver)
    location = first.start_upload("a")
    first.request("PATCH", location, CONTENT[:100])
    second.request("PATCH", location, CONTENT[100:200])
    first.request("PATCH", location, CONTENT[200:])
    is_created(first.request("PUT", with_digest(location, CONTENT)), "a", CONTENT)


def test_an_upload_that_registry_2_only_began_is_empty(server):
    path = "docker/registry/v2/repositories/a/_uploads/3d0b1c1e/startedat"
    server.driver.put(path, b"2026-01-01T00:00:00Z")
    location = "/v2/a/blobs/uploads/3d0b1c1e"
    is_progress(server.request("GET", location), 204, location, 0)
    is_progress(server.request("PATCH", location, CONTENT), 202, location, len(CONTENT))
    is_created(server.request("PUT", with_digest(location, CONTENT)), "a", CONTENT)


def test_an_upload_says_when_it_began(server):
    session_id = server.start_upload("a").rsplit("/", 1)[1]
    text = server.driver.read(f"docker/registry/v2/repositories/a/_uploads/{session_id}/startedat")
    from datetime import datetime

    assert datetime.strptime(text.decode(), "%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("ranged", [False, True], ids=["", "with a Content-Range"])
@pytest.mark.parametrize("restarted", [False, True], ids=["", "after a restart"])
@pytest.mark.parametrize("before", [b"", b"first chunk, "])
def test_a_last_request_that_is_sent_again_with_its_bytes_ends_the_upload(
    server, before, restarted, ranged
):
    """The server died when it had written them, and before the upload had ended."""
    content = before + b"last chunk"
    location = server.start_upload("a")
    assert server.request("PATCH", location, content).status == 202
    if restarted:
        server = Server(server.driver)
    digest = Digest.of(content)
    headers = {"Content_Range": f"{len(before)}-{len(content) - 1}"} if ranged else {}
    answer = server.request("PUT", f"{location}?digest={digest}", b"last chunk", **headers)
    assert answer.status == 201
    assert server.request("GET", f"/v2/a/blobs/{digest}").body == content
    server.hang_up()
