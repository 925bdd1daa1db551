"""What a collection keeps and what it removes, on every driver."""

from __future__ import annotations

import json
import os
import time

import pytest

from holm_registry.content.registry import Registry
from holm_registry.gc.sweep import Sweep
from holm_registry.gc.uploads import Abandoned, UploadPurge
from holm_registry.oci import media_types
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestUnknown, RegistryError
from holm_registry.oci.paging import PageRequest
from holm_registry.storage import layout
from holm_registry.storage.errors import AlreadyLocked, StorageUnavailable

from ..images import descriptor, image, index
from ..stores import Aging, AgingFiles, blobs_in, collect, names, pull, push, push_blob

A, B = image(b"c", [b"1", b"2"]), image(b"c", [b"3"])


def test_what_no_manifest_names_goes_and_the_rest_stays(driver, registry):
    push(registry, "a", "v1", A, b"c", b"1", b"2", b"unused")
    driver.age()
    result, lines = collect(driver)
    assert blobs_in(driver) == names([A])
    assert (result.blobs, result.bytes, result.layer_links) == (1, 6, 1)
    assert f"blob eligible for deletion: {Digest.of(b'unused')}" in lines
    pull(registry, "a", "v1")


def test_what_is_young_stays(driver, registry):
    push(registry, "a", "v1", A, b"c", b"1", b"2", b"unused")
    before = dict(driver.objects(layout.REPOSITORIES)).keys()
    collect(driver)
    collect(driver, grace_seconds=3600.0, untagged=True)
    assert blobs_in(driver) == {*names([A]), str(Digest.of(b"unused"))}
    driver.age()
    collect(driver, grace_seconds=3600.0, untagged=True)
    assert blobs_in(driver) == {*names([A]), str(Digest.of(b"unused"))}
    assert dict(driver.objects(layout.REPOSITORIES)).keys() == before


def test_a_dry_run_tells_the_same_and_changes_nothing(driver, registry):
    push(registry, "a", "v1", A, b"c", b"1", b"2", b"unused")
    push(registry, "a", None, B, b"3")
    registry.uploads.start("b")
    driver.age()
    before = [path for path, _ in driver.objects(layout.REPOSITORIES)]
    options = {"untagged": True, "upload_age_seconds": 10.0}
    told, lines = collect(driver, dry_run=True, **options)
    assert [path for path, _ in driver.objects(layout.REPOSITORIES)] == before
    done, again = collect(driver, **options)
    assert lines == again
    for each in ("blobs", "bytes", "manifests", "uploads", "marked", "repositories"):
        assert getattr(told, each) == getattr(done, each) > 0, each
    assert blobs_in(driver) == names([A])


def test_whoever_was_told_that_a_blob_exists_finds_it(driver, registry):
    for content in (b"c", b"1", b"2"):
        push_blob(registry, "a", content)
    driver.age()
    for content in (b"c", b"1", b"2"):
        registry.blobs.stat("a", Digest.of(content))
    collect(driver)
    push(registry, "a", "v1", A)
    pull(registry, "a", "v1")


def test_untagged_manifests_go_only_when_asked_to(driver, registry):
    push(registry, "a", "v1", A, b"c", b"1", b"2")
    push(registry, "a", "v1", B, b"3")
    driver.age()
    collect(driver)
    pull(registry, "a", Digest.of(A))
    driver.age()
    result, lines = collect(driver, untagged=True)
    assert result.manifests == 1
    assert f"manifest eligible for deletion: {Digest.of(A)}" in lines
    with pytest.raises(ManifestUnknown):
        registry.manifests.get("a", Digest.of(A))
    assert blobs_in(driver) == names([B])
    assert not [
        path for path, _ in driver.objects(layout.tags("a")) if Digest.of(A).encoded in path
    ]


@pytest.mark.parametrize("media_type", [media_types.OCI_INDEX, media_types.DOCKER_LIST])
def test_children_and_referrers_of_what_is_kept_are_kept(driver, registry, media_type):
    """Children of nested indexes, signatures of children, signatures of signatures."""
    inner = index([A], media_type=media_type)
    outer = index([inner, B], media_type=media_type)
    signature = image(b"c", [b"s"], subject=descriptor(A, "a/b"))
    countersignature = image(b"c", [b"t"], subject=descriptor(signature, "a/b"))
    loose = image(b"c", [b"u"], subject=descriptor(b"unknown", "a/b"))
    push(registry, "a", None, A, b"c", b"1", b"2")
    push(registry, "a", None, B, b"3")
    push(registry, "a", None, inner)
    push(registry, "a", "v1", outer)
    push(registry, "a", None, signature, b"s")
    push(registry, "a", None, countersignature, b"t")
    push(registry, "a", None, loose, b"u")
    driver.age()
    result, _ = collect(driver, untagged=True)
    assert result.manifests == 1
    assert blobs_in(driver) == names([A, B, inner, outer, signature, countersignature])
    pull(registry, "a", "v1")
    (found,) = registry.referrers.page("a", Digest.of(A))[0]
    assert found.digest == str(Digest.of(signature))
    assert registry.referrers.page("a", Digest.of(b"unknown"))[0] == []
    assert not [p for p, _ in driver.objects(layout.REPOSITORIES) if Digest.of(loose).encoded in p]


def test_nested_repositories_that_share_a_child_are_told_apart(driver, registry):
    """The child is an index's in one, nobody's in the other."""
    for name in ("a", "a/b"):
        push(registry, name, None, A, b"c", b"1", b"2")
    push(registry, "a/b", "v1", index([A]))
    driver.age()
    collect(driver, untagged=True)
    pull(registry, "a/b", "v1")
    assert blobs_in(driver) == names([A, index([A])])
    assert registry.catalog.page(PageRequest())[0] == ["a/b"]


def test_a_repository_in_which_nothing_is_left_is_forgotten(driver, registry):
    push(registry, "a/b", "v1", A, b"c", b"1", b"2")
    registry.referrers.page("a/b", Digest.of(A))
    push(registry, "a", "v1", B, b"c", b"3")
    upload = registry.uploads.start("c")
    registry.manifests.delete("a/b", Digest.of(A))
    driver.age()
    result, _ = collect(driver)
    assert result.empty_repositories == 1
    assert registry.catalog.page(PageRequest())[0] == ["a"]
    assert not driver.objects(layout.repository("a/b"))
    assert registry.uploads.size_bytes("c", upload) == 0
    push(registry, "a/b", "v1", A, b"c", b"1", b"2")
    pull(registry, "a/b", "v1")


def test_abandoned_uploads_go_by_the_age_of_their_files(driver, registry):
    old, new, running = (registry.uploads.start("a") for _ in range(3))
    driver.delete(layout.upload_started_at("a", old))
    session = registry.uploads.open("a", running)
    driver.age()
    session.append([b"more"])
    for path in (layout.upload_data("a", new), layout.upload_data("a", running)):
        driver.refresh(path)
    result, _ = collect(driver, upload_age_seconds=10.0)
    assert result.uploads == 1
    assert list(driver.folders(layout.uploads("a"))) == sorted([new, running])
    driver.age()
    collect(driver, upload_age_seconds=10.0)
    assert list(driver.folders(layout.uploads("a"))) == [running], "somebody is writing to it"
    session.commit(Digest.of(b"more"))
    collect(driver, upload_age_seconds=None)


def test_an_upload_that_just_begins_is_not_abandoned(tmp_path):
    """Its folder comes first, then one file, then the other."""
    driver = AgingFiles(str(tmp_path))
    folder = tmp_path / layout.upload("a", "begins")
    folder.mkdir(parents=True)
    driver.put(layout.upload_started_at("a", "old"), b"2020-01-01T00:00:00Z")
    driver.age()
    purge = UploadPurge(driver, time.time() - 50)
    (found,) = purge.find("a")
    assert found.session_id == "old"
    driver.put(layout.upload_started_at("a", "begins"), b"2026-01-01T00:00:00Z")
    assert not purge.remove(Abandoned("a", "begins", 0)), "found while it was empty"
    assert driver.folders(layout.uploads("a")) == ("begins", "old")
    assert purge.remove(found)
    assert driver.folders(layout.uploads("a")) == ("begins",)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{", A[:-30]])
def test_beside_a_manifest_that_cannot_be_read_nothing_goes(driver, registry, content):
    push(registry, "a", "v1", A, b"c", b"1", b"2", b"maybe")
    push(registry, "a", None, B, b"3")
    push(registry, "b", "v1", B, b"c", b"3", b"unused")
    driver.put(layout.blob_data(Digest.of(A)), content)
    driver.age()
    result, _ = collect(driver, untagged=True)
    pull(registry, "a", Digest.of(B))
    assert str(Digest.of(b"maybe")) in blobs_in(driver)
    assert str(Digest.of(b"unused")) not in blobs_in(driver)
    assert f"a: manifest {Digest.of(A)}" in result.problems[0]
    assert result.problems[-1] == "a: everything in this repository stays"


def test_beside_a_manifest_whose_bytes_are_missing_nothing_goes(driver, registry):
    push(registry, "a", "v1", A, b"c", b"1", b"2", b"maybe")
    driver.delete(layout.blob_data(Digest.of(A)))
    driver.age()
    result, _ = collect(driver)
    assert str(Digest.of(b"maybe")) in blobs_in(driver)
    assert "its bytes are missing" in result.problems[0]


@pytest.mark.parametrize("content", [b"", b"sha256:12", None])
def test_beside_a_tag_that_cannot_be_read_nothing_goes(driver, registry, content):
    push(registry, "a", "v1", A, b"c", b"1", b"2")
    link = layout.tag_current_link("a", "v1")
    if content is None:
        driver.delete(link)
    else:
        driver.put(link, content)
    driver.age()
    result, _ = collect(driver, untagged=True)
    pull(registry, "a", Digest.of(A))
    assert result.problems[0].startswith("a: tag v1: ")


@pytest.mark.parametrize("content", [b"", b"sha256:12"])
def test_a_torn_link_still_tells_by_its_path_what_it_is_for(driver, registry, content):
    push(registry, "a", "v1", A, b"c", b"1", b"2", b"unused")
    driver.put(layout.revision_link("a", Digest.of(A)), content)
    driver.put(layout.layer_link("a", Digest.of(b"1")), content)
    driver.age()
    collect(driver)
    assert blobs_in(driver) == names([A])
    pull(registry, "a", "v1")


def test_where_a_folder_cannot_be_listed_no_blob_goes(driver, registry, monkeypatch):
    push(registry, "a", "v1", A, b"c", b"1", b"2")
    push_blob(registry, "b", b"unused")
    driver.age()
    real = type(driver).folders

    def failing(self, path):
        if path == layout.revisions("a", "sha256"):
            raise StorageUnavailable("Input/output error")
        return real(self, path)

    monkeypatch.setattr(type(driver), "folders", failing)
    result, _ = collect(driver)
    assert result.problems == ["a: Input/output error; no blob of the store is removed"]
    assert len(blobs_in(driver)) == 5


def test_sha512_and_the_aliases_of_registry2_are_kept(driver, registry):
    native = image(b"c", [b"1"], algorithm="sha512")
    for content in (b"c", b"1"):
        push_blob(registry, "a", content, "sha512")
    registry.manifests.put("a", Digest.of(native, "sha512"), native, tags=["v1"])
    push(registry, "b", "v1", image(b"c", [b"1"]), b"c", b"1")
    alias = image(b"c", [b"1"], algorithm="sha512")
    for content in (b"c", b"1"):
        driver.put(
            layout.layer_link("b", Digest.of(content, "sha512")), str(Digest.of(content)).encode()
        )
    registry.manifests.put("b", "alias", alias)
    registry.manifests.delete("b", Digest.of(image(b"c", [b"1"])))
    driver.age()
    collect(driver, untagged=True)
    pull(registry, "a", "v1")
    pull(registry, "b", "alias")
    registry.manifests.delete("a", Digest.of(native, "sha512"))
    registry.manifests.delete("b", Digest.of(alias))
    driver.age()
    collect(driver)
    assert blobs_in(driver) == set()


def test_schema_1_manifests_are_kept_with_layers_and_signatures(driver, registry):
    layers = [{"blobSum": str(Digest.of(b"1"))}]
    payload = json.dumps({"schemaVersion": 1, "fsLayers": layers, "tag": "x"}).encode()
    digest, signature = Digest.of(payload), Digest.of(b"signature")
    for content in (b"1", payload, b"signature", b"unused"):
        push_blob(registry, "a", content)
    for path, target in (
        (layout.revision_link("a", digest), digest),
        (layout.tag_current_link("a", "x"), digest),
        (f"{layout.revision('a', digest)}/signatures/sha256/{signature.encoded}/link", signature),
    ):
        driver.put(path, str(target).encode())
    driver.age()
    result, _ = collect(driver, untagged=True)
    assert blobs_in(driver) == {str(digest), str(signature), str(Digest.of(b"1"))}
    assert not result.problems
    registry.tags.delete("a", "x")
    driver.age()
    collect(driver, untagged=True)
    assert not blobs_in(driver)


class Counting(Aging):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name in ("stat", "read", "folders", "objects", "sweep", "delete_folder", "prune"):
            self.count += 1
        return found


@pytest.mark.parametrize("untagged", [False, True])
def test_it_asks_in_proportion_to_manifests_and_tags_and_not_to_their_product(untagged):
    counts = []
    for number in (20, 40):
        driver = Counting()
        registry = Registry(driver)
        for each in range(number):
            payload = image(b"c", [b"%d" % each])
            push(registry, "a", f"v{each}", payload, b"c", b"%d" % each)
            push(registry, "a", None, image(b"c", [b"%d" % each], annotations={"a": "b"}))
        driver.age()
        driver.count = 0
        collect(driver, untagged=untagged)
        counts.append(driver.count)
    assert counts[0] > 100
    assert counts[1] <= 2 * counts[0]


def test_two_collections_at_once_are_kept_apart(driver):
    with driver.lock("collection"), pytest.raises(AlreadyLocked):
        collect(driver)
    collect(driver)


def test_a_collection_goes_by_the_clock_of_the_store(driver, registry, monkeypatch):
    """A server whose clock is an hour ahead sets times an hour ahead."""
    push_blob(registry, "a", b"x")
    sweep = Sweep.begin(driver, 0.0)
    monkeypatch.setattr(type(driver), "seconds", lambda self: time.time() + 3600)
    ahead = Sweep.begin(driver, 0.0)
    assert abs(ahead.cutoff - sweep.cutoff) < 5


@pytest.mark.parametrize("tag", ["v1", None])
def test_a_push_that_stood_still_until_its_parts_were_gone_is_refused(driver, registry, tag):
    """Longer than the grace, between the look at its parts and its links."""
    old = push(registry, "a", "v1", B, b"c", b"3")
    for content in (b"1", b"2"):
        push_blob(registry, "a", content)
    real = registry.manifests._payloads.put

    def slow(*args):
        driver.age()
        collect(driver)
        real(*args)

    registry.manifests._payloads.put = slow
    with pytest.raises(RegistryError):
        registry.manifests.put("a", tag or Digest.of(A), A)
    assert registry.tags.get("a", "v1") == old


def test_a_push_that_stood_still_before_its_tags_leaves_them_where_they_were(driver, registry):
    old = push(registry, "a", "v1", B, b"c", b"3")
    for content in (b"1", b"2"):
        push_blob(registry, "a", content)
    real = registry.tags.target

    def slow(*args):
        driver.age()
        collect(driver, untagged=True)
        registry.tags.target = real
        return real(*args)

    registry.tags.target = slow
    with pytest.raises(RegistryError):
        registry.manifests.put("a", "v1", A, tags=["v2"])
    assert registry.tags.get("a", "v1") == old
    pull(registry, "a", "v1")
    with pytest.raises(ManifestUnknown):
        registry.tags.get("a", "v2")


def test_what_was_left_on_its_way_goes_after_an_hour(tmp_path):
    driver = AgingFiles(str(tmp_path))
    for path in ("file", "folder/inner/link"):
        driver.put(f"{layout.STAGING}/{path}", b"left")
    driver.age(1800)
    collect(driver)
    assert len(driver.objects(layout.STAGING)) == 2
    driver.age(1900)
    result, _ = collect(driver, grace_seconds=60.0)
    assert result.bytes == 8
    assert not os.listdir(tmp_path / layout.STAGING)
