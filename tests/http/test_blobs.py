from __future__ import annotations

import pytest

from holm_registry.oci.digest import Digest

CONTENT = bytes(range(256)) * 40


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_served_as_pushed_with_every_header(server, algorithm):
    digest = server.push_blob("a/b", CONTENT, algorithm)
    answer = server.request("GET", f"/v2/a/b/blobs/{digest}")
    assert answer.status == 200
    assert answer.body == CONTENT
    expected = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(CONTENT)),
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Cache-Control": "max-age=31536000",
        "Accept-Ranges": "bytes",
        "Docker-Distribution-Api-Version": "registry/2.0",
    }
    assert {name: answer.header(name) for name in expected} == expected
    head = server.request("HEAD", f"/v2/a/b/blobs/{digest}")
    assert (head.status, head.body) == (200, b"")
    assert {name: head.header(name) for name in expected} == expected


def test_an_empty_blob_is_a_blob(server):
    digest = server.push_blob("a", b"")
    answer = server.request("GET", f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", "0")


def test_what_the_client_has_is_not_sent_again(memory):
    digest = memory.push_blob("a", CONTENT)
    for method in ("GET", "HEAD"):
        answer = memory.request(method, f"/v2/a/blobs/{digest}", If_None_Match=f'"{digest}"')
        assert (answer.status, answer.body) == (304, b"")
        assert answer.header("ETag") == f'"{digest}"'


def test_unknown_blobs_are_404(server):
    digest = str(Digest.of(b"nowhere"))
    for method in ("GET", "DELETE"):
        answer = server.request(method, f"/v2/a/blobs/{digest}")
        assert (answer.status, answer.codes) == (404, ["BLOB_UNKNOWN"])
        assert answer.json["errors"][0]["detail"] == {"digest": digest}
    assert server.request("HEAD", f"/v2/a/blobs/{digest}").status == 404


def test_a_blob_belongs_to_the_repositories_it_was_pushed_to(server):
    digest = server.push_blob("a", b"x")
    assert server.request("GET", f"/v2/b/blobs/{digest}").status == 404


def test_deleting_takes_a_blob_out_of_one_repository_alone(server):
    digest = server.push_blob("a", b"x")
    server.push_blob("b", b"x")
    answer = server.request("DELETE", f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.header("Content-Length")) == (202, "0")
    assert server.request("HEAD", f"/v2/a/blobs/{digest}").status == 404
    assert server.request("DELETE", f"/v2/a/blobs/{digest}").status == 404
    assert server.request("GET", f"/v2/b/blobs/{digest}").body == b"x"


def test_an_upload_nobody_finished_is_no_blob(server):
    location = server.start_upload("a")
    server.request("PATCH", location, b"x")
    assert server.request("GET", f"/v2/a/blobs/{Digest.of(b'x')}").status == 404


def test_asking_keeps_a_blob_fresh(memory):
    digest = Digest.parse(memory.push_blob("a", b"x"))
    path = f"docker/registry/v2/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data"
    for method, freshened in (("HEAD", True), ("GET", True)):
        memory.driver._objects[path].modified = 1.0
        memory.request(method, f"/v2/a/blobs/{digest}")
        assert (memory.driver.stat(path).modified > 1.0) is freshened


def test_a_blob_that_was_swept_is_unknown_at_once(server):
    """Also when its link is still there, and the answer was in memory a moment ago."""
    digest = Digest.parse(server.push_blob("a", b"x"))
    assert server.request("HEAD", f"/v2/a/blobs/{digest}").status == 200
    server.driver.delete(
        f"docker/registry/v2/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data"
    )
    for method in ("HEAD", "GET"):
        assert server.request(method, f"/v2/a/blobs/{digest}").status == 404
