"""Requests for what others left on a volume: answered, and what is beside it is served."""

from __future__ import annotations

import os

import pytest

from holm_registry.oci.digest import Digest
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver

from .. import hostile
from ..hostile import LOOSE, SIGNATURE, SOUND
from ..images import image
from ..stores import push_blob
from .wire import Server

LINKED = Digest.of(b"linked")
SPOILED = [Digest.of(b"spoiled layer"), Digest.of(b"spoiled blob"), LINKED]
MANIFEST = Digest.of(b"spoiled manifest")

#: Requests for each spoiled entry; none of them may fail otherwise than these say.
REQUESTS = [
    *(
        (method, f"manifests/{reference}", b"")
        for method in ("GET", "HEAD")
        for reference in ("spoiled", MANIFEST)
    ),
    *((method, f"blobs/{digest}", b"") for method in ("GET", "HEAD") for digest in SPOILED),
    *(("POST", f"blobs/uploads/?mount={digest}&from=good/deep", b"") for digest in SPOILED),
    *(("POST", f"blobs/uploads/?digest={digest}", b"other") for digest in SPOILED),
    ("POST", f"blobs/uploads/?digest={LINKED}", b"linked"),
    *((method, "blobs/uploads/spoiled", b"x") for method in ("GET", "PATCH", "PUT", "DELETE")),
    ("PUT", "manifests/new", image(b"c", [b"linked"])),
    ("PUT", "manifests/new", image(b"linked", [])),
    ("GET", f"referrers/{MANIFEST}", b""),
    ("DELETE", f"manifests/{MANIFEST}", b""),
    ("DELETE", "manifests/spoiled", b""),
    *(("DELETE", f"blobs/{digest}", b"") for digest in SPOILED),
]


@pytest.fixture
def root(tmp_path):
    root = str(tmp_path / "root")
    hostile.fill(root)
    return root


@pytest.fixture
def server(root):
    server = Server(FilesystemDriver(root))
    yield server
    server.hang_up()


def require_sound(server):
    assert server.request("GET", "/v2/_catalog").json["repositories"] == list(hostile.NAMES)
    for name in hostile.NAMES:
        assert "v1" in server.request("GET", f"/v2/{name}/tags/list").json["tags"]
        assert server.request("GET", f"/v2/{name}/manifests/v1").body == SOUND
        assert server.request("HEAD", f"/v2/{name}/manifests/{Digest.of(SOUND)}").status == 200
        for content in (b"c", b"1", b"s"):
            blob = server.request("GET", f"/v2/{name}/blobs/{Digest.of(content)}")
            assert (blob.status, blob.body) == (200, content)
        listed = server.request("GET", f"/v2/{name}/referrers/{Digest.of(SOUND)}").json
        digests = {each["digest"] for each in listed["manifests"]}
        assert str(Digest.of(SIGNATURE)) in digests


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_each_request_is_answered_and_costs_no_other(root, server, kind):
    hostile.spoil(root, kind)
    push_blob(server.registry, "bad", b"linked")
    if kind not in ("huge", "zeros"):
        # Those are files, whose content only a verification looks at.
        hostile.put(root, layout.blob_data(LINKED), kind)
    require_sound(server)
    for method, path, body in REQUESTS:
        answer = server.request(method, f"/v2/bad/{path}", body)
        assert answer.status != 500, (method, path, answer)
        if answer.status >= 400 and method != "HEAD":
            assert answer.codes, (method, path, answer)
        require_sound(server)
    assert server.request("DELETE", f"/v2/bad/manifests/{Digest.of(LOOSE)}").status == 202
    server.push_image("bad", "v2", b"c", [b"new"])
    assert server.request("GET", "/v2/bad/manifests/v2").status == 200


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_a_spoiled_tag_is_unavailable_until_it_is_deleted_or_pushed(root, server, kind):
    hostile.spoil(root, kind)
    answer = server.request("GET", "/v2/bad/manifests/spoiled")
    assert answer.status in (404, 503)
    assert server.request("DELETE", "/v2/bad/manifests/spoiled").status == 202
    assert server.request("GET", "/v2/bad/manifests/spoiled").status == 404
    assert server.request("GET", "/v2/bad/tags/list").json["tags"] == ["v1"]
    assert server.request("PUT", "/v2/bad/manifests/spoiled", SOUND).status == 201
    assert server.request("GET", "/v2/bad/manifests/spoiled").body == SOUND


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_a_spoiled_upload_can_be_cancelled(root, server, kind):
    path = server.start_upload("bad").removeprefix("http://registry.test")
    session_id = path.rpartition("/")[2].partition("?")[0]
    hostile.put(root, layout.upload_data("bad", session_id), kind)
    assert server.request("DELETE", path).status == 204
    assert server.request("GET", path).status == 404
    assert not os.path.exists(f"{root}/{layout.upload('bad', session_id)}")
    require_sound(server)


def test_what_is_not_ours_is_neither_listed_nor_served(root, server):
    litter = hostile.litter(root)
    require_sound(server)
    for name in hostile.NAMES:
        assert server.request("GET", f"/v2/{name}/tags/list").json["tags"] == ["v1"]
    for name in hostile.FOREIGN:
        quoted = "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogateescape"))
        for path in (f"/v2/{quoted}/tags/list", f"/v2/bad/manifests/{quoted}"):
            assert server.request("GET", path).status in (400, 404), path
    assert litter
