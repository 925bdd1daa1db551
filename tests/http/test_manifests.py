from __future__ import annotations

import json
import re

import pytest

from holm_registry.content.validation import Validation
from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.manifest import MAX_MANIFEST_BYTES

from ..images import LAYER, descriptor, image, index
from .wire import Server

ODD = b'{ "schemaVersion":2,\n"mediaType": "%s" ,"config":%s, "layers":[ ],"x":1.50}' % (
    media_types.OCI_MANIFEST.encode(),
    json.dumps(descriptor(b"c", "a/b")).encode(),
)


@pytest.mark.parametrize("reference", ["v1", "by digest"])
def test_a_manifest_is_served_byte_for_byte_with_every_header(server, reference):
    server.push_blob("a/b", b"c")
    digest = str(Digest.of(ODD))
    reference = digest if reference == "by digest" else reference
    put = server.request(
        "PUT", f"/v2/a/b/manifests/{reference}", ODD, Content_Type=media_types.OCI_MANIFEST
    )
    assert put.status == 201
    assert put.header("Location") == f"/v2/a/b/manifests/{digest}"
    assert put.header("Docker-Content-Digest") == digest
    assert put.header("Content-Length") == "0"
    for _ in range(2):
        for method in ("GET", "HEAD"):
            answer = server.request(method, f"/v2/a/b/manifests/{reference}")
            assert answer.status == 200
            assert answer.body == (ODD if method == "GET" else b"")
            assert answer.header("Content-Type") == media_types.OCI_MANIFEST
            assert answer.header("Content-Length") == str(len(ODD))
            assert answer.header("Docker-Content-Digest") == digest
            assert answer.header("ETag") == f'"{digest}"'


@pytest.mark.parametrize("accept", [[], "*/*", "text/html", media_types.DOCKER_MANIFEST])
def test_what_is_not_a_docker_list_is_served_whatever_is_accepted(server, accept):
    server.push_image("a", "v1", b"c", [b"l"])
    assert server.request("GET", "/v2/a/manifests/v1", Accept=accept).status == 200


@pytest.mark.parametrize(
    "media_type",
    [media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST, "application/vnd.acme.thing+json"],
)
def test_manifests_of_any_type_are_served_as_what_they_are(server, media_type):
    server.push_image("a", "v1", b"c", [b"l"], media_type=media_type)
    assert server.request("GET", "/v2/a/manifests/v1").header("Content-Type") == media_type


def test_what_the_client_has_is_not_sent_again(server):
    digest = server.push_image("a", "v1", b"c", [])
    for header in (f'"{digest}"', digest):
        answer = server.request("GET", "/v2/a/manifests/v1", If_None_Match=header)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.header("Docker-Content-Digest") == digest


def test_a_tag_moves_at_once_for_every_reader(driver):
    """Also for another process, whose memory of where the tag pointed must not outlive the move."""
    first, second = Server(driver), Server(driver)
    for turn in range(5):
        digest = first.push_image("a", "latest", b"c%d" % turn, [b"l"])
        for server in (first, second):
            for _ in range(2):
                answer = server.request("GET", "/v2/a/manifests/latest")
                assert answer.header("Docker-Content-Digest") == digest


def test_sha512_manifests_are_served_by_tag_and_digest(server):
    for content in (b"c", b"l"):
        server.push_blob("a", content, "sha512")
    payload = image(b"c", [b"l"], algorithm="sha512")
    digest = str(Digest.of(payload, "sha512"))
    answer = server.request("PUT", f"/v2/a/manifests/{digest}?tag=v1&tag=v2", payload)
    assert answer.status == 201
    assert answer.headers.getRawHeaders("OCI-Tag") == ["v1", "v2"]
    for reference in (digest, "v1", "v2"):
        got = server.request("GET", f"/v2/a/manifests/{reference}")
        assert (got.body, got.header("Docker-Content-Digest")) == (payload, digest)


def test_tags_can_come_along_with_a_digest(server):
    server.push_blob("a", b"c")
    payload = image(b"c", [])
    tags = [f"t{number}" for number in range(10)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = server.request("PUT", f"/v2/a/manifests/{Digest.of(payload)}?{query}", payload)
    assert answer.headers.getRawHeaders("OCI-Tag") == tags
    assert server.request("GET", "/v2/a/tags/list").json["tags"] == tags


def test_bad_and_too_many_tags_are_refused(server):
    payload = image(b"c", [])
    path = f"/v2/a/manifests/{Digest.of(payload)}"
    bad = server.request("PUT", f"{path}?tag=.x", payload)
    many = server.request("PUT", f"{path}?{'&'.join(f'tag=t{n}' for n in range(101))}", payload)
    assert [(answer.status, answer.codes) for answer in (bad, many)] == [
        (400, ["TAG_INVALID"]),
        (414, ["TAG_INVALID"]),
    ]


def test_unknown_manifests_are_404(server):
    server.push_image("a", "v1", b"c", [])
    for path in ("/v2/a/manifests/v2", f"/v2/a/manifests/{Digest.of(b'x')}", "/v2/b/manifests/v1"):
        for method in ("GET", "DELETE"):
            answer = server.request(method, path)
            assert (answer.status, answer.codes) == (404, ["MANIFEST_UNKNOWN"])
        assert server.request("HEAD", path).status == 404


def test_all_that_is_missing_is_named(server):
    server.push_blob("a", b"l1")
    answer = server.request("PUT", "/v2/a/manifests/v1", image(b"c", [b"l1", b"l2"]))
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 2
    assert [error["detail"]["digest"] for error in answer.json["errors"]] == [
        str(Digest.of(b"c")),
        str(Digest.of(b"l2")),
    ]
    assert server.request("GET", "/v2/a/manifests/v1").status == 404


def test_parts_must_be_in_the_same_repository(server):
    server.push_image("a", "v1", b"c", [b"l"])
    answer = server.request("PUT", "/v2/b/manifests/v1", image(b"c", [b"l"]))
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 2


def test_a_part_of_another_size_is_refused(server):
    server.push_blob("a", b"config")
    document = json.loads(image(b"config", []))
    document["config"]["size"] = 5
    answer = server.request("PUT", "/v2/a/manifests/v1", json.dumps(document).encode())
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    assert answer.json["errors"][0]["detail"]["actual"] == 6


def test_children_of_an_index_must_be_there(server):
    children = [image(b"c1", []), image(b"c2", [])]
    for content in (b"c1", b"c2"):
        server.push_blob("a", content)
    server.push_manifest("a", str(Digest.of(children[0])), children[0])
    answer = server.request("PUT", "/v2/a/manifests/v1", index(children))
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"]
    assert answer.json["errors"][0]["detail"]["digest"] == str(Digest.of(children[1]))
    server.push_manifest("a", str(Digest.of(children[1])), children[1])
    server.push_manifest("a", "v1", index(children))
    server.push_manifest("a", "nested", index([index(children)]))


def test_a_digest_of_other_content_is_refused(server):
    server.push_blob("a", b"c")
    answer = server.request("PUT", f"/v2/a/manifests/{Digest.of(b'x')}", image(b"c", []))
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        (b"", ""),
        (b"nonsense", media_types.OCI_MANIFEST),
        (b'{"schemaVersion":1,"fsLayers":[]}', media_types.DOCKER_SCHEMA1_SIGNED),
        (image(b"c", []), media_types.OCI_INDEX),
    ],
)
def test_what_is_no_manifest_is_refused(server, payload, content_type):
    answer = server.request("PUT", "/v2/a/manifests/v1", payload, Content_Type=content_type)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])


def test_a_manifest_may_have_four_mebibytes_and_no_more(server):
    server.push_blob("a", b"c")
    payload = image(b"c", [], annotations={"x": ""})
    filler = "y" * (MAX_MANIFEST_BYTES - len(payload))
    largest = image(b"c", [], annotations={"x": filler})
    assert len(largest) == MAX_MANIFEST_BYTES
    server.push_manifest("a", "v1", largest)
    larger = largest + b" "
    declared = server.request("PUT", "/v2/a/manifests/v1", larger)
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(larger), larger)
    streamed = server.request("PUT", "/v2/a/manifests/v1", chunk, Transfer_Encoding="chunked")
    for answer in (declared, streamed):
        assert (answer.status, answer.codes) == (413, ["SIZE_INVALID"])


def test_foreign_layers_need_not_be_there_if_they_are_elsewhere(server):
    server.push_blob("a", b"c")
    kind = "application/vnd.oci.image.layer.nondistributable.v1.tar"
    elsewhere = descriptor(b"far", kind, urls=["https://e.example/x"])
    nowhere = descriptor(b"far", kind)
    for layer, status in ((elsewhere, 201), (nowhere, 400)):
        document = {**json.loads(image(b"c", [])), "layers": [layer]}
        payload = json.dumps(document).encode()
        assert server.request("PUT", "/v2/a/manifests/v1", payload).status == status


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("https://good.example/x", 201),
        ("https://bad.example/x", 400),
        ("ftp://good.example/", 400),
        ("https://good.example/secret", 400),
        ("https://[", 400),
        ("https://good.example/#f", 400),
    ],
)
def test_an_operator_may_bound_where_foreign_layers_are(url, status):
    rules = Validation(allow=(re.compile("^https?://good"),), deny=(re.compile("secret"),))
    server = Server(validation=rules)
    server.push_blob("a", b"c")
    layer = descriptor(b"x", "application/vnd.docker.image.rootfs.foreign.diff.tar", urls=[url])
    payload = json.dumps({**json.loads(image(b"c", [])), "layers": [layer]}).encode()
    assert server.request("PUT", "/v2/a/manifests/v1", payload).status == status


def test_an_operator_may_do_without_validation():
    server = Server(validation=Validation(disabled=True))
    assert server.request("PUT", "/v2/a/manifests/v1", image(b"c", [b"l"])).status == 201


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        (Validation(), 400),
        (Validation(platforms="none"), 201),
        (Validation(platforms="list", platform_list=frozenset({("riscv64", "linux")})), 201),
        (Validation(platforms="list", platform_list=frozenset({("arm64", "linux")})), 400),
    ],
)
def test_an_operator_may_let_indexes_be_sparse(rules, status):
    server = Server(validation=rules)
    payload = index([image(b"c1", []), image(b"c2", [])])
    assert server.request("PUT", "/v2/a/manifests/v1", payload).status == status


@pytest.fixture
def docker_list(server):
    """A Docker list of two platforms under the tag v1; gives its digest and its children's."""
    children = [image(c, [], media_type=media_types.DOCKER_MANIFEST) for c in (b"amd", b"arm")]
    for content in (b"amd", b"arm"):
        server.push_blob("a", content)
    digests = [server.push_manifest("a", str(Digest.of(child)), child) for child in children]
    payload = index(children, media_type=media_types.DOCKER_LIST)
    return server.push_manifest("a", "v1", payload), digests


def test_an_old_docker_gets_the_image_of_its_platform(server, docker_list):
    listed, children = docker_list
    old = {"Accept": [media_types.DOCKER_MANIFEST, media_types.DOCKER_SCHEMA1]}
    for method in ("GET", "HEAD"):
        answer = server.request(method, "/v2/a/manifests/v1", **old)
        assert answer.header("Docker-Content-Digest") == children[0]
        assert answer.header("Content-Type") == media_types.DOCKER_MANIFEST
    assert (
        server.request("GET", f"/v2/a/manifests/{listed}", **old).header("Content-Type")
        == media_types.DOCKER_LIST
    ), "by digest it gets what it asked for"


@pytest.mark.parametrize(
    "accept",
    [
        [],
        "*/*",
        media_types.DOCKER_LIST,
        f"{media_types.DOCKER_MANIFEST}, {media_types.DOCKER_LIST}",
    ],
)
def test_everyone_else_gets_the_list(server, docker_list, accept):
    answer = server.request("GET", "/v2/a/manifests/v1", Accept=accept)
    assert answer.header("Docker-Content-Digest") == docker_list[0]


def test_a_list_without_that_platform_is_served_as_it_is(server):
    payload = index([], media_type=media_types.DOCKER_LIST)
    digest = server.push_manifest("a", "v1", payload)
    answer = server.request("GET", "/v2/a/manifests/v1", Accept=media_types.DOCKER_MANIFEST)
    assert answer.header("Docker-Content-Digest") == digest


def test_deleting_a_tag_removes_the_tag_alone(server):
    digest = server.push_image("a", "v1", b"c", [b"l"])
    server.push_manifest("a", "v2", image(b"c", [b"l"]))
    answer = server.request("DELETE", "/v2/a/manifests/v1")
    assert (answer.status, answer.header("Content-Length")) == (202, "0")
    assert server.request("GET", "/v2/a/manifests/v1").status == 404
    for reference in ("v2", digest):
        assert server.request("GET", f"/v2/a/manifests/{reference}").status == 200
    assert server.request("GET", "/v2/a/tags/list").json["tags"] == ["v2"]


def test_deleting_a_manifest_removes_its_tags_and_no_others(server):
    digest = server.push_image("a", "v1", b"c", [b"l"])
    server.push_manifest("a", "v2", image(b"c", [b"l"]))
    other = server.push_image("a", "other", b"c2", [])
    server.push_image("b", "v1", b"c", [b"l"])
    assert server.request("DELETE", f"/v2/a/manifests/{digest}").status == 202
    for reference in ("v1", "v2", digest):
        assert server.request("GET", f"/v2/a/manifests/{reference}").status == 404
    assert server.request("GET", f"/v2/a/manifests/{other}").status == 200
    assert server.request("GET", "/v2/a/tags/list").json["tags"] == ["other"]
    assert server.request("GET", "/v2/b/manifests/v1").status == 200
    assert server.push_manifest("a", "v1", image(b"c", [b"l"])) == digest, "and it can come back"


def test_a_tag_that_moved_on_survives_the_deletion_of_where_it_was(server):
    old = server.push_image("a", "latest", b"c1", [])
    server.push_image("a", "latest", b"c2", [])
    assert server.request("DELETE", f"/v2/a/manifests/{old}").status == 202
    assert server.request("GET", "/v2/a/manifests/latest").status == 200


def test_schema_1_of_an_old_volume_is_served(server):
    payload = b'{"schemaVersion":1,"name":"a","signatures":[]}'
    digest = Digest.of(payload)
    root = "docker/registry/v2"
    store = {
        f"blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data": payload,
        f"repositories/a/_manifests/revisions/sha256/{digest.encoded}/link": str(digest).encode(),
        "repositories/a/_manifests/tags/old/current/link": str(digest).encode(),
    }
    for path, content in store.items():
        server.driver.put(f"{root}/{path}", content)
    answer = server.request("GET", "/v2/a/manifests/old")
    assert (answer.status, answer.body) == (200, payload)
    assert answer.header("Content-Type") == media_types.DOCKER_SCHEMA1_SIGNED


def test_content_that_registry_2_filed_under_another_digest_is_served(server):
    """It keeps what came as sha512 under sha256, with a link from the one to the other."""
    content = b"filed under sha256"
    server.push_blob("a", content)
    alias, real = Digest.of(content, "sha512"), Digest.of(content)
    path = f"docker/registry/v2/repositories/a/_layers/sha512/{alias.encoded}/link"
    server.driver.put(path, str(real).encode())
    for _ in range(2):
        answer = server.request("GET", f"/v2/a/blobs/{alias}")
        assert (answer.body, answer.header("Docker-Content-Digest")) == (content, str(alias))
    mounted = server.request("POST", f"/v2/b/blobs/uploads/?mount={alias}&from=a")
    assert mounted.status == 201
    assert server.request("GET", f"/v2/b/blobs/{alias}").body == content


@pytest.mark.parametrize("torn", [b"", b"sha256:abc"])
def test_torn_links_still_say_by_their_path_what_they_are_for(server, torn):
    digest = Digest.parse(server.push_image("a", "v1", b"c", [b"l"]))
    layer = Digest.of(b"l")
    root = "docker/registry/v2/repositories/a"
    server.driver.put(f"{root}/_layers/sha256/{layer.encoded}/link", torn)
    server.driver.put(f"{root}/_manifests/revisions/sha256/{digest.encoded}/link", torn)
    assert server.request("GET", f"/v2/a/blobs/{layer}").body == b"l"
    assert server.request("GET", "/v2/a/manifests/v1").status == 200
    server.driver.put(f"{root}/_manifests/tags/v1/current/link", torn)
    assert server.request("GET", "/v2/a/manifests/v1").status == 404, "a tag could be anything"
    server.push_manifest("a", "v1", image(b"c", [b"l"]))
    assert server.request("GET", "/v2/a/manifests/v1").status == 200


def test_parts_are_kept_fresh_while_a_manifest_names_them(memory):
    digest = memory.push_image("a", "v1", b"c", [b"l"])
    paths = []
    for each in (Digest.parse(digest), Digest.of(b"c"), Digest.of(b"l")):
        paths.append(f"docker/registry/v2/blobs/sha256/{each.encoded[:2]}/{each.encoded}/data")
    for path in paths:
        memory.driver._objects[path].modified = 1.0
    memory.push_manifest("a", "v2", image(b"c", [b"l"]))
    assert all(memory.driver.stat(path).modified > 1.0 for path in paths)


def test_a_layer_that_is_swept_before_its_manifest_comes_is_unknown(server):
    for content in (b"c", b"l"):
        server.push_blob("a", content)
    layer = Digest.of(b"l")
    server.driver.delete(
        f"docker/registry/v2/blobs/sha256/{layer.encoded[:2]}/{layer.encoded}/data"
    )
    answer = server.request("PUT", "/v2/a/manifests/v1", image(b"c", [b"l"]))
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"]
    assert LAYER


def test_an_immutable_tag_stays_where_it_was_first_pointed_at():
    server = Server(validation=Validation(immutable=("v*", "release-?")))
    first = server.push_image("a", "v1", b"c", [b"1"])
    other = image(b"c", [b"1"], annotations={"other": "image"})
    for path in ("/v2/a/manifests/v1", f"/v2/a/manifests/{Digest.of(other)}?tag=w&tag=v1"):
        answer = server.request("PUT", path, other)
        assert (answer.status, answer.codes) == (403, ["DENIED"])
        assert answer.json["errors"][0]["message"] == (
            "tag v1 is immutable: tags.immutable has 'v*'"
        )
    assert server.request("HEAD", "/v2/a/manifests/w").status == 404, "all tags, or none"
    assert server.request("HEAD", "/v2/a/manifests/v1").header("Docker-Content-Digest") == first
    again = image(b"c", [b"1"])
    assert server.request("PUT", "/v2/a/manifests/v1", again).status == 201, "the same again"
    for tag in ("w", "latest", "release-10"):
        for payload in (again, other):
            assert server.request("PUT", f"/v2/a/manifests/{tag}", payload).status == 201
    assert server.request("DELETE", "/v2/a/manifests/v1").status == 202
    assert server.request("PUT", "/v2/a/manifests/v1", other).status == 201, "gone, and made anew"
    server.hang_up()


def test_of_two_who_push_an_immutable_tag_at_once_the_second_is_refused(monkeypatch):
    server = Server(validation=Validation(immutable=("v*",)))
    server.push_image("a", "other", b"c", [b"1"])
    first = image(b"c", [b"1"], annotations={"n": "1"})
    second = image(b"c", [b"1"], annotations={"n": "2"})
    tags = server.registry.tags
    real = tags.require_mutable

    def slow(*asked):
        # Both were let through; the first is at its end before the second goes on.
        monkeypatch.setattr(tags, "require_mutable", real)
        real(*asked)
        assert server.request("PUT", "/v2/a/manifests/v1", first).status == 201

    monkeypatch.setattr(tags, "require_mutable", slow)
    answer = server.request("PUT", "/v2/a/manifests/v1", second)
    assert (answer.status, answer.codes) == (403, ["DENIED"])
    found = server.request("HEAD", "/v2/a/manifests/v1").header("Docker-Content-Digest")
    assert found == str(Digest.of(first))
    server.hang_up()
