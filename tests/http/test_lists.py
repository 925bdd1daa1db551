"""Tags, repositories and referrers: what there is, in order, in pages."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.content.catalog import Catalog
from holm_registry.content.store_warnings import StoreWarnings
from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import OCI_INDEX
from holm_registry.oci.paging import PageRequest
from holm_registry.storage.memory import MemoryDriver
from holm_registry.storage.readonly import ReadOnlyDriver

from ..images import descriptor, image, index
from ..strategies import repositories
from .wire import Server

ROOT = "docker/registry/v2/repositories"


def next_page(answer) -> str | None:
    link = answer.header("Link")
    return None if link is None else re.fullmatch(r'<(/[^>]*)>; rel="next"', link)[1]


def all_pages(server, path, key):
    found = []
    while path is not None:
        answer = server.request("GET", path)
        assert answer.status == 200, answer
        found.append(answer.json[key])
        assert len(found) < 1000, "a list without end"
        path = next_page(answer)
    return found


@pytest.fixture
def tagged(server):
    server.push_blob("a/b", b"c")
    for tag in ("v2", "v10", "V1", "latest", "_x"):
        server.push_manifest("a/b", tag, image(b"c", []))
    return server


def test_tags_are_listed_in_order(tagged):
    answer = tagged.request("GET", "/v2/a/b/tags/list")
    assert answer.json == {"name": "a/b", "tags": ["V1", "_x", "latest", "v10", "v2"]}
    assert answer.header("Link") is None


def test_tags_are_listed_in_pages(tagged):
    pages = all_pages(tagged, "/v2/a/b/tags/list?n=2", "tags")
    assert pages == [["V1", "_x"], ["latest", "v10"], ["v2"]]
    assert all_pages(tagged, "/v2/a/b/tags/list?n=5", "tags") == [
        ["V1", "_x", "latest", "v10", "v2"]
    ]


def test_last_need_not_be_a_tag(tagged):
    assert tagged.request("GET", "/v2/a/b/tags/list?last=m").json["tags"] == ["v10", "v2"]
    assert tagged.request("GET", "/v2/a/b/tags/list?last=zz").json["tags"] == []
    assert tagged.request("GET", "/v2/a/b/tags/list?n=0").json["tags"] == []


def test_a_client_that_wants_too_many_tags_gets_fewer(driver):
    server = Server(driver, settings={"max_tags": 1})
    server.push_blob("a", b"c")
    for tag in ("v1", "v2"):
        server.push_manifest("a", tag, image(b"c", []))
    assert all_pages(server, "/v2/a/tags/list?n=100", "tags") == [["v1"], ["v2"]]
    assert server.request("GET", "/v2/a/tags/list").json["tags"] == ["v1", "v2"]


def test_a_repository_without_tags_lists_none_and_an_unknown_one_is_404(server):
    server.push_blob("a", b"x")
    assert server.request("GET", "/v2/a/tags/list").json == {"name": "a", "tags": []}
    for name in ("b", "a/b"):
        answer = server.request("GET", f"/v2/{name}/tags/list")
        assert (answer.status, answer.codes) == (404, ["NAME_UNKNOWN"])


@pytest.mark.parametrize("n", ["-1", "x", "1.5"])
def test_a_page_size_that_is_no_count_is_refused(server, n):
    server.push_blob("a", b"x")
    for path in (f"/v2/a/tags/list?n={n}", f"/v2/_catalog?n={n}"):
        answer = server.request("GET", path)
        assert (answer.status, answer.codes) == (400, ["PAGINATION_NUMBER_INVALID"])
        assert answer.json["errors"][0]["detail"] == {"n": n}


NAMES = ["a", "a-b", "a-b/c", "a.b", "a/b", "a/b/c", "a0", "b", "z/y/x"]


@pytest.fixture
def catalogued(server):
    for name in reversed(NAMES):
        server.push_blob(name, b"x")
    server.start_upload("only/begun")
    server.driver.put(f"{ROOT}/lost+found/x", b"")
    return server


def test_repositories_are_listed_in_the_order_of_their_names(catalogued):
    answer = catalogued.request("GET", "/v2/_catalog")
    assert answer.json == {"repositories": NAMES}
    assert answer.header("Link") is None


@pytest.mark.parametrize("n", range(1, len(NAMES) + 2))
def test_repositories_are_listed_in_pages_without_losing_any(catalogued, n):
    pages = all_pages(catalogued, f"/v2/_catalog?n={n}", "repositories")
    assert [name for page in pages for name in page] == NAMES
    assert all(len(page) == n for page in pages[:-1])


def test_last_need_not_be_a_repository(catalogued):
    listed = catalogued.request("GET", "/v2/_catalog?last=a/bb").json["repositories"]
    assert listed == ["a0", "b", "z/y/x"]


def test_the_catalog_is_bounded(catalogued):
    assert catalogued.request("GET", "/v2/_catalog?n=1001").codes == ["PAGINATION_NUMBER_INVALID"]
    assert catalogued.request("GET", "/v2/_catalog?n=0").json == {"repositories": []}


def test_an_empty_registry_lists_nothing(server):
    assert server.request("GET", "/v2/_catalog").json == {"repositories": []}


@given(st.sets(repositories, max_size=12), st.integers(1, 5), repositories | st.text(max_size=5))
def test_pages_of_the_catalog_are_slices_of_the_sorted_names(names, limit, last):
    driver = MemoryDriver()
    for name in names:
        driver.put(f"{ROOT}/{name}/_layers/sha256/x/link", b"")
    expected = sorted(name for name in names if name > last)
    assert Catalog(driver, StoreWarnings()).page(PageRequest(limit, last)) == (
        expected[:limit],
        len(expected) > limit,
    )


@pytest.fixture
def subject(server) -> str:
    return server.push_image("a", "v1", b"c", [b"l"])


def refer(server, subject, artifact_type, *, repository="a", **fields) -> str:
    document = {"digest": subject, "size": 1, "mediaType": "application/x"}
    server.push_blob(repository, b"{}")
    payload = image(b"{}", [], subject=document, artifactType=artifact_type, **fields)
    path = f"/v2/{repository}/manifests/{Digest.of(payload)}"
    answer = server.request("PUT", path, payload)
    assert answer.status == 201, answer
    assert answer.header("OCI-Subject") == subject
    return str(Digest.of(payload))


def referrers(server, subject, query="", repository="a"):
    answer = server.request("GET", f"/v2/{repository}/referrers/{subject}{query}")
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == OCI_INDEX
    assert answer.json["schemaVersion"] == 2
    assert answer.json["mediaType"] == OCI_INDEX
    return answer


def test_nobody_refers_to_what_is_new_or_unknown(server, subject):
    for digest in (subject, str(Digest.of(b"unknown"))):
        assert referrers(server, digest).json["manifests"] == []
    assert referrers(server, subject, repository="unknown").json["manifests"] == []


def test_referrers_are_described(server, subject):
    digest = refer(server, subject, "application/sig", annotations={"k": "v"})
    (found,) = referrers(server, subject).json["manifests"]
    stored = server.request("GET", f"/v2/a/manifests/{digest}")
    assert found == {
        "mediaType": stored.header("Content-Type"),
        "digest": digest,
        "size": len(stored.body),
        "artifactType": "application/sig",
        "annotations": {"k": "v"},
    }


def test_referrers_are_filtered_by_type(server, subject):
    digest = refer(server, subject, "application/sig+x")
    refer(server, subject, "application/sbom")
    answer = referrers(server, subject, "?artifactType=application/sig%2Bx")
    assert [found["digest"] for found in answer.json["manifests"]] == [digest]
    assert answer.header("OCI-Filters-Applied") == "artifactType"
    assert referrers(server, subject).header("OCI-Filters-Applied") is None


def test_a_subject_may_come_later_and_an_index_may_refer(server):
    subject = image(b"later", [])
    payload = index([], subject=descriptor(subject, "a/b"), artifactType="application/list")
    answer = server.request("PUT", "/v2/a/manifests/list", payload)
    assert answer.header("OCI-Subject") == str(Digest.of(subject))
    (found,) = referrers(server, Digest.of(subject)).json["manifests"]
    assert (found["mediaType"], found["artifactType"]) == (OCI_INDEX, "application/list")


def test_a_deleted_referrer_refers_no_more(server, subject):
    digest = refer(server, subject, "application/sig")
    assert server.request("DELETE", f"/v2/a/manifests/{digest}").status == 202
    assert referrers(server, subject).json["manifests"] == []


def test_referrers_belong_to_a_repository(server, subject):
    refer(server, subject, "application/sig", repository="b")
    assert referrers(server, subject).json["manifests"] == []
    assert len(referrers(server, subject, repository="b").json["manifests"]) == 1


def test_referrers_come_in_pages(server, subject):
    """Annotations are large, so that few fit one answer."""
    digests = {
        refer(server, subject, f"application/x{turn % 2}", annotations={"a": "x" * 400_000, "t": t})
        for turn, t in enumerate("abcdefg")
    }
    found, pages, path = [], 0, f"/v2/a/referrers/{subject}"
    while path is not None:
        answer = server.request("GET", path)
        found += [each["digest"] for each in answer.json["manifests"]]
        path = next_page(answer)
        pages += 1
        assert pages <= 7, "a list without end"
    assert (set(found), len(found)) == (digests, 7)
    assert pages == 3
    filtered = server.request("GET", f"/v2/a/referrers/{subject}?artifactType=application/x0")
    assert "artifactType=application%2Fx0" in (filtered.header("Link") or "")


def lay_out(server, payload: bytes, *tags: str) -> str:
    """Store a manifest as registry:2 does, which knows nothing of subjects."""
    digest = Digest.of(payload)
    files = {
        f"docker/registry/v2/blobs/sha256/{digest.encoded[:2]}/{digest.encoded}/data": payload,
        f"{ROOT}/a/_manifests/revisions/sha256/{digest.encoded}/link": str(digest).encode(),
    }
    for tag in tags:
        files[f"{ROOT}/a/_manifests/tags/{tag}/current/link"] = str(digest).encode()
    for path, content in files.items():
        server.driver.put(path, content)
    return str(digest)


def test_referrers_that_an_older_registry_stored_are_found(server):
    subject = lay_out(server, image(b"c", []), "v1")
    described = {"digest": subject, "size": 1, "mediaType": "a/b"}
    digest = lay_out(server, image(b"{}", [], subject=described))
    lay_out(server, b"not a manifest")
    (found,) = referrers(server, subject).json["manifests"]
    assert found["digest"] == digest
    assert len(referrers(server, subject).json["manifests"]) == 1


def test_referrers_under_the_fallback_tag_are_found(server):
    subject = lay_out(server, image(b"c", []), "v1")
    signature = image(b"{}", [], artifactType="application/sig")
    digest = lay_out(server, signature)
    listed = json.loads(index([signature]))
    lay_out(server, json.dumps(listed).encode(), subject.replace(":", "-"))
    (found,) = referrers(server, subject).json["manifests"]
    assert (found["digest"], found["artifactType"]) == (digest, "application/sig")


def test_referrers_are_found_where_nothing_can_be_written(server):
    subject = lay_out(server, image(b"c", []), "v1")
    described = {"digest": subject, "size": 1, "mediaType": "a/b"}
    digest = lay_out(server, image(b"{}", [], subject=described))
    reading = Server(ReadOnlyDriver(server.driver), settings={"read_only": True})
    for _ in range(2):
        (found,) = referrers(reading, subject).json["manifests"]
        assert found["digest"] == digest
    assert reading.request("GET", "/v2/a/manifests/v1").status == 200
    assert not server.driver.folders(f"{ROOT}/a/_manifests/referrers")
