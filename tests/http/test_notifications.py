"""Which requests cause events, and what these contain."""

from __future__ import annotations

import json

import pytest

from holm_registry.api.event_emitter import EventEmitter
from holm_registry.api.locations import Locations
from holm_registry.notifications.events import EventSource, encode_event
from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest

from ..images import image, index
from .wire import Server


class RecordingSink:
    """Records events."""

    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.publish_soon(event)

    def publish_soon(self, event):
        self.events.append(json.loads(encode_event(event)))

    def take(self):
        """Return and forget the events: action, tag and digest of each."""
        events, self.events = self.events, []
        return [
            (event["action"], event["target"].get("tag"), event["target"].get("digest"))
            for event in events
        ]


@pytest.fixture
def sink():
    return RecordingSink()


@pytest.fixture
def server(sink):
    found = Server(
        settings={"event_emitter": EventEmitter(sink, source=EventSource("here:5000", "one"))}
    )
    yield found
    found.hang_up()


A = image(b"c", [b"1"])
DIGEST = str(Digest.of(A))


def test_pushes_are_told_with_all_that_registry2_tells(server, sink):
    server.push_blob("a/b", b"c")
    (blob,) = sink.events
    digest = str(Digest.of(b"c"))
    assert blob["action"] == "push"
    assert blob["target"] == {
        "mediaType": "application/octet-stream",
        "size": 1,
        "length": 1,
        "digest": digest,
        "repository": "a/b",
        "url": f"http://registry.test/v2/a/b/blobs/{digest}",
    }
    assert blob["request"]["method"] == "POST"
    assert blob["request"]["host"] == "registry.test"
    assert blob["source"] == {"addr": "here:5000", "instanceID": "one"}
    server.push_blob("a/b", b"1")
    sink.take()
    answer = server.request(
        "PUT", "/v2/a/b/manifests/v1", A, User_Agent="docker", X_Request_Id="seven"
    )
    assert answer.status == 201
    (manifest,) = sink.events
    assert manifest["target"] == {
        "mediaType": media_types.OCI_MANIFEST,
        "size": len(A),
        "length": len(A),
        "digest": DIGEST,
        "repository": "a/b",
        "url": f"http://registry.test/v2/a/b/manifests/{DIGEST}",
        "tag": "v1",
    }
    assert manifest["request"]["useragent"] == "docker"
    assert manifest["request"]["id"] == "seven"
    assert manifest["actor"] == {}


def test_everything_that_changes_something_is_told_once(server, sink):
    location = server.start_upload("a")
    server.request("PATCH", location, b"c")
    assert sink.take() == []
    blob, layer = (str(Digest.of(content)) for content in (b"c", b"1"))
    server.request("PUT", f"{location}?digest={blob}")
    assert sink.take() == [("push", None, blob)]
    server.push_blob("a", b"1")
    sink.take()
    server.request("POST", f"/v2/b/blobs/uploads/?mount={blob}&from=a")
    assert sink.events[0]["target"]["fromRepository"] == "a"
    assert sink.events[0]["target"]["size"] == 1
    assert sink.take() == [("mount", None, blob)]
    server.request("POST", f"/v2/b/blobs/uploads/?mount={Digest.of(b'unknown')}&from=a")
    assert sink.take() == []
    server.request("PUT", f"/v2/a/manifests/{DIGEST}?tag=x&tag=y", A)
    assert sink.take() == [("push", "x", DIGEST), ("push", "y", DIGEST)]
    server.request("PUT", f"/v2/a/manifests/{DIGEST}", A)
    assert sink.take() == [("push", None, DIGEST)]
    server.request("DELETE", "/v2/a/manifests/x")
    assert sink.take() == [("delete", "x", None)]
    server.request("DELETE", f"/v2/a/manifests/{DIGEST}")
    assert sink.take() == [("delete", None, DIGEST)]
    server.request("DELETE", f"/v2/a/blobs/{layer}")
    assert sink.take() == [("delete", None, layer)]


def test_pulls_are_told_and_looking_is_not(server, sink):
    server.push_image("a", "v1", b"c", [b"1"])
    sink.take()
    blob = str(Digest.of(b"c"))
    for method in ("HEAD", "GET"):
        server.request(method, "/v2/a/manifests/v1")
        server.request(method, f"/v2/a/manifests/{DIGEST}")
        server.request(method, f"/v2/a/blobs/{blob}")
    assert sink.take() == [
        ("pull", "v1", DIGEST),
        ("pull", None, DIGEST),
        ("pull", None, blob),
    ]
    server.request("GET", "/v2/a/manifests/v1", If_None_Match=f'"{DIGEST}"')
    server.request("GET", f"/v2/a/blobs/{blob}", If_None_Match=f'"{blob}"')
    server.request("GET", "/v2/_catalog")
    server.request("GET", "/v2/a/tags/list")
    assert sink.take() == []


def test_what_fails_is_not_told(server, sink):
    server.push_blob("a", b"c")
    sink.take()
    for method, path, body in [
        ("PUT", "/v2/a/manifests/v1", A),
        ("PUT", "/v2/a/manifests/v1", b"{"),
        ("GET", "/v2/a/manifests/v1", None),
        ("GET", f"/v2/a/blobs/{Digest.of(b'x')}", None),
        ("DELETE", "/v2/a/manifests/v1", None),
        ("DELETE", f"/v2/a/manifests/{DIGEST}", None),
        ("DELETE", f"/v2/a/blobs/{Digest.of(b'x')}", None),
        ("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(b'x')}", b"y"),
    ]:
        assert server.request(method, path, body).status >= 400
    assert sink.take() == []


def test_references_are_told_where_they_are_wanted(sink):
    event_emitter = EventEmitter(sink, Locations("https://r.example", "/x"), references=True)
    server = Server(settings={"event_emitter": event_emitter})
    server.push_image("a", "v1", b"c", [b"1"])
    target = sink.events[-1]["target"]
    assert [each["digest"] for each in target["references"]] == [
        str(Digest.of(b"c")),
        str(Digest.of(b"1")),
    ]
    assert target["references"][1] == {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "size": 1,
        "digest": str(Digest.of(b"1")),
    }
    assert target["url"] == f"https://r.example/x/v2/a/manifests/{DIGEST}"
    server.push_manifest("a", "multi", index([A]))
    (child,) = sink.events[-1]["target"]["references"]
    assert child["digest"] == DIGEST
    server.hang_up()
