"""What requests keep in memory is counted, and given back however they end."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from holm_registry.http.body import RequestBody
from holm_registry.http.memory_budget import MAX_SHARE_BYTES, TOTAL_BYTES
from holm_registry.http.response_body import AT_ONCE_BYTES
from holm_registry.oci import media_types

from ..images import image, index
from .wire import head

KIB = 1024


def padded(size: int) -> bytes:
    return image(b"config", [], annotations={"padding": "x" * size})


@pytest.fixture
def large(server):
    """A manifest that is too large to be handed over in one piece."""
    server.push_blob("a", b"config")
    payload = padded(300 * KIB)
    return payload, server.push_manifest("a", "large", payload)


def test_a_large_manifest_comes_as_it_was_pushed(server, large):
    payload, digest = large
    for reference in ("large", digest):
        answer = server.request("GET", f"/v2/a/manifests/{reference}")
        assert (answer.status, answer.body == payload) == (200, True)
        assert answer.header("Docker-Content-Digest") == digest
        only_head = server.request("HEAD", f"/v2/a/manifests/{reference}")
        assert (only_head.status, only_head.body) == (200, b"")
        assert only_head.header("Content-Length") == str(len(payload))
        assert only_head.header("Content-Type") == answer.header("Content-Type")
        known = server.request("GET", f"/v2/a/manifests/{reference}", If_None_Match=f'"{digest}"')
        assert (known.status, known.body) == (304, b"")
    assert server.site.memory.used_bytes == 0


def test_an_old_docker_is_sent_a_large_image_of_a_list_from_its_file(server):
    server.push_blob("a", b"config")
    child = image(
        b"config",
        [],
        media_type=media_types.DOCKER_MANIFEST,
        annotations={"padding": "x" * 300 * KIB},
    )
    digest = server.push_manifest("a", "child", child)
    server.push_manifest("a", "v1", index([child], media_type=media_types.DOCKER_LIST))
    server.request("HEAD", f"/v2/a/manifests/{digest}")
    # Nothing is free: an answer that is counted in memory would wait.
    server.site.memory.add(TOTAL_BYTES)
    answer = server.request("GET", "/v2/a/manifests/v1", Accept=media_types.DOCKER_MANIFEST)
    assert (answer.status, answer.body == child) == (200, True)
    assert answer.header("Docker-Content-Digest") == digest


def test_a_manifest_larger_than_its_share_arrives_in_the_store(server):
    server.push_blob("a", b"config")
    payload = padded(MAX_SHARE_BYTES + 100 * KIB)
    connection = server.connect()
    connection.send(head("PUT", "/v2/a/manifests/v1", {"Transfer-Encoding": "chunked"}, None))
    for start in range(0, len(payload), 64 * KIB):
        part = payload[start : start + 64 * KIB]
        connection.send(b"%x\r\n%b\r\n" % (len(part), part))
        assert server.site.memory.used_bytes <= MAX_SHARE_BYTES + 64 * KIB
    connection.send(b"0\r\n\r\n")
    assert connection.answer().status == 201
    assert server.request("GET", "/v2/a/manifests/v1").body == payload
    assert server.site.memory.used_bytes == 0
    assert not list(server.driver.folders("docker/registry/v2/repositories/a/_uploads"))


def test_a_manifest_that_breaks_off_leaves_nothing(server):
    connection = server.connect()
    connection.send(head("PUT", "/v2/a/manifests/v1", {}, 4_000_000))
    connection.send(b"x" * (MAX_SHARE_BYTES + 1))
    connection.leave()
    del connection
    server.connections.clear()
    assert server.site.memory.used_bytes == 0
    assert server.site.memory.bodies == 0
    assert not list(server.driver.folders("docker/registry/v2/repositories/a/_uploads"))


def test_a_manifest_may_not_be_larger_than_it_may_be(server):
    connection = server.connect()
    connection.send(head("PUT", "/v2/a/manifests/v1", {"Transfer-Encoding": "chunked"}, None))
    for _ in range(5):
        connection.send(b"100000\r\n%b\r\n" % (b"x" * 1024 * KIB))
    answer = connection.answer()
    assert (answer.status, answer.codes) == (413, ["SIZE_INVALID"])
    assert server.site.memory.used_bytes == 0


def test_an_answer_nobody_reads_is_held_in_pieces(memory):
    memory.push_image("a", "v1", b"config", [])
    for number in range(100):
        tags = "&".join(f"tag={'a' * 100}{number}.{each}" for each in range(20))
        payload = image(b"config", [])
        answer = memory.request("PUT", f"/v2/a/manifests/v1?{tags}", payload)
        assert answer.status == 201
    whole = memory.request("GET", "/v2/a/tags/list").body
    assert len(whole) > 4 * AT_ONCE_BYTES
    connection = memory.connect()
    write = connection.transport.write
    # A transport that is full at once.
    connection.transport.write = lambda data: (write(data), connection.protocol.pauseProducing())
    connection.send(head("GET", "/v2/a/tags/list", {}, None))
    assert len(connection.transport.value()) < 3 * AT_ONCE_BYTES
    assert memory.site.memory.used_bytes == len(whole)
    for _ in range(len(whole) // AT_ONCE_BYTES + 1):
        connection.protocol.resumeProducing()
    assert connection.answer().body == whole


def test_pieces_of_a_body_that_are_tiny_are_put_together(memory):
    paused = []
    body = RequestBody(
        memory.site.memory,
        on_read=lambda: None,
        pause=lambda: paused.append(True),
        resume=lambda: None,
    )
    for _ in range(10_000):
        body.feed(b"x")
    body.finish()
    (piece,) = Deferred.fromCoroutine(body.read()).result
    assert (piece, paused) == (b"x" * 10_000, [])
    del body
    assert memory.site.memory.used_bytes == 0
