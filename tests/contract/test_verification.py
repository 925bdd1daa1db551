"""What a verification finds, what a repair mends, and what it leaves alone, on every driver."""

from __future__ import annotations

import json

import pytest

from holm_registry.content.registry import Registry
from holm_registry.content.validation import Validation
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestUnknown
from holm_registry.storage import layout
from holm_registry.storage.errors import AlreadyLocked, StorageUnavailable
from holm_registry.storage.readonly import ReadOnlyDriver
from holm_registry.verify import checksums, verification
from holm_registry.verify.checksums import ChecksumResult, ChecksumScan
from holm_registry.verify.verification import Verification, VerificationOptions

from ..images import descriptor, image, index
from ..stores import blobs_in, pull, push, push_blob

A, B = image(b"c", [b"1", b"2"]), image(b"c", [b"3"])
SIGNATURE = image(b"c", [b"s"], subject=descriptor(A, "a/b"))


def verify(driver, progress=lambda *_: None, **scope):
    return Verification(driver, VerificationOptions(**scope), progress).run()


def found(driver, **scope):
    """Give what a verification finds: for each thing, the problem and the images."""
    report = verify(driver, **scope)
    return {each.where: (each.problem, each.images) for each in report.findings}


def paths(driver):
    """Give all that lies in a store, with its content, but for what a run notes of itself."""
    return {
        path: driver.read(path)
        for path, _ in driver.objects(layout.ROOT)
        if not path.startswith(layout.MAINTENANCE)
    }


def fill(registry):
    push(registry, "a", "v1", A, b"c", b"1", b"2")
    push(registry, "a", "v2", index([A]))
    push(registry, "a/b", None, B, b"c", b"3")
    push(registry, "a", None, SIGNATURE, b"s")


def mended(driver):
    """Repair, and check that nothing is left to do and everything can be pulled."""
    report = verify(driver, repair=True)
    assert report.findings
    assert report.is_sound, report.findings
    assert not verify(driver).findings
    registry = Registry(driver)
    pull(registry, "a", "v1")
    pull(registry, "a", "v2")
    pull(registry, "a/b", Digest.of(B))
    return report


def test_a_sound_store_is_told_to_be_sound_and_not_touched(driver, registry):
    fill(registry)
    registry.referrers.page("a", Digest.of(A))
    push_blob(registry, "c", b"no image needs it")
    before = paths(driver)
    report = verify(driver)
    assert report.is_sound
    assert not report.findings
    assert (report.repositories, report.manifests) == (3, 4)
    assert report.blobs == len(blobs_in(driver))
    assert report.bytes == sum(stat.size_bytes for _, stat in driver.objects(layout.BLOBS))
    verify(driver, repair=True)
    assert paths(driver) == before


@pytest.mark.parametrize("content", [b"X", b"", b"1 and more"])
def test_damaged_bytes_are_told_with_every_image_they_are_part_of(driver, registry, content):
    fill(registry)
    push(registry, "other", "v9", image(b"c", [b"1"]), b"c", b"1")
    digest = Digest.of(b"1")
    driver.put(layout.blob_data(digest), content)
    (finding,) = verify(driver).findings
    assert finding.where == f"blob {digest}"
    assert finding.problem == f"its bytes are damaged: they hash to {Digest.of(content)}"
    assert finding.images == ["a:v1", "a:v2", "other:v9"]
    assert "push one of these images again" in finding.remedy
    assert driver.read(layout.blob_data(digest)) == content, "only a repair changes anything"


def test_a_repair_moves_damaged_bytes_aside_and_a_push_brings_them_back(driver, registry):
    """They have the right size: a push would take them for its own while they are there."""
    fill(registry)
    digest = Digest.of(b"1")
    driver.put(layout.blob_data(digest), b"X")
    push_blob(registry, "a", b"1")
    assert driver.read(layout.blob_data(digest)) == b"X"
    report = verify(driver, repair=True)
    assert not report.is_sound
    (aside,) = driver.objects(layout.DAMAGED)
    assert digest.encoded in aside[0]
    assert driver.read(aside[0]) == b"X"
    assert found(driver) == {f"blob {digest}": ("its bytes are missing", ["a:v1", "a:v2"])}
    push_blob(registry, "a", b"1")
    assert verify(driver).is_sound
    pull(registry, "a", "v2")
    assert driver.read(aside[0]) == b"X", "it is never deleted"


def test_damaged_bytes_that_no_image_needs_are_mended_by_moving_them(driver, registry):
    fill(registry)
    driver.put(layout.blob_data(push_blob(registry, "c", b"loose")), b"Loose")
    (finding,) = verify(driver).findings
    assert finding.images == []
    assert finding.remedy.endswith("no image needs it")
    mended(driver)


def test_a_damaged_manifest_is_told_with_its_tags(driver, registry):
    fill(registry)
    digest = Digest.of(A)
    driver.put(layout.blob_data(digest), A[:-5])
    report = found(driver)
    assert report[f"blob {digest}"][1] == ["a:v1", "a:v2"]
    assert set(report) == {f"blob {digest}"}
    verify(driver, repair=True)
    push(registry, "a", "v1", A)
    assert verify(driver).is_sound


def test_a_manifest_that_means_nothing_is_told_once_though_its_bytes_are_whole(driver, registry):
    fill(registry)
    digest = push_blob(registry, "a", b"{ no manifest")
    driver.put(layout.revision_link("a", digest), str(digest).encode())
    (finding,) = verify(driver).findings
    assert finding.where == f"a: manifest {digest}"
    assert "does not parse" in finding.problem
    assert finding.images == [f"a@{digest}"]


def test_missing_bytes_are_told_once_for_all_repositories(driver, registry):
    fill(registry)
    driver.delete(layout.blob_data(Digest.of(b"c")))
    (finding,) = verify(driver, repair=True).findings
    assert (finding.where, finding.problem) == (
        f"blob {Digest.of(b'c')}",
        "its bytes are missing",
    )
    loose = [f"a/b@{Digest.of(B)}", f"a@{Digest.of(SIGNATURE)}"]
    assert finding.images == sorted([*loose, "a:v1", "a:v2"])
    assert finding.remedy == "push one of these images again"


@pytest.mark.parametrize("content", [b"", b"sha256:12", b"sha256:" + b"0" * 64])
@pytest.mark.parametrize(
    "path",
    [
        layout.layer_link("a", Digest.of(b"1")),
        layout.revision_link("a", Digest.of(A)),
        layout.revision_link("a", Digest.of(index([A]))),
    ],
)
def test_links_that_are_torn_or_lead_elsewhere_are_written_again(driver, registry, path, content):
    """Their paths say what they are for."""
    fill(registry)
    before = paths(driver)
    driver.put(path, content)
    assert not verify(driver).is_sound
    mended(driver)
    assert paths(driver) == before


@pytest.mark.parametrize(
    "path",
    [
        layout.layer_link("a", Digest.of(b"c")),
        layout.revision_link("a", Digest.of(A)),
        layout.referrer_link("a", Digest.of(A), Digest.of(SIGNATURE)),
    ],
)
def test_links_that_are_missing_are_made_again_where_something_needs_them(driver, registry, path):
    fill(registry)
    registry.referrers.page("a", Digest.of(A))
    before = paths(driver)
    driver.delete(path)
    assert not verify(driver).is_sound
    mended(driver)
    # When a referrer was pushed is lost with its link.
    assert before[path].startswith(driver.read(path))
    assert {**paths(driver), path: before[path]} == before


def test_what_a_child_that_is_linked_again_needs_is_looked_for_too(driver, registry):
    fill(registry)
    registry.tags.delete("a", "v1")
    for path in (layout.revision("a", Digest.of(A)), layout.layer("a", Digest.of(b"1"))):
        driver.delete_folder(path)
    driver.delete(layout.blob_data(Digest.of(b"2")))
    report = found(driver)
    assert report == {
        f"a: manifest {Digest.of(A)}": (
            f"its link is missing, and {Digest.of(index([A]))} names it",
            ["a:v2"],
        ),
        f"a: layer {Digest.of(b'1')}": ("its link is missing", ["a:v2"]),
        f"blob {Digest.of(b'2')}": ("its bytes are missing", ["a:v2"]),
    }


@pytest.mark.parametrize("content", [b"", b"sha256:12", None])
def test_a_tag_that_only_ever_pointed_at_one_image_points_there_again(driver, registry, content):
    fill(registry)
    before = paths(driver)
    path = layout.tag_current_link("a", "v1")
    if content is None:
        driver.delete(path)
    else:
        driver.put(path, content)
    (finding,) = verify(driver).findings
    assert finding.where == "a: tag v1"
    assert finding.images == ["a:v1"]
    mended(driver)
    assert paths(driver) == before


def test_a_tag_that_pointed_at_several_images_is_left_to_people(driver, registry):
    fill(registry)
    push(registry, "a", "v1", B, b"3")
    driver.put(layout.tag_current_link("a", "v1"), b"")
    report = verify(driver, repair=True)
    (finding,) = report.findings
    assert not report.is_sound
    assert str(Digest.of(A)) in finding.problem
    assert str(Digest.of(B)) in finding.problem
    assert driver.read(layout.tag_current_link("a", "v1")) == b""


def test_of_several_images_that_a_tag_pointed_at_only_one_may_be_left(driver, registry):
    fill(registry)
    push(registry, "a", "v1", B, b"3")
    registry.manifests.put("a", "v1", A)
    registry.manifests.delete("a", Digest.of(B))
    driver.put(layout.tag_current_link("a", "v1"), b"")
    mended(driver)
    assert registry.tags.get("a", "v1") == Digest.of(A)


def test_a_tag_that_points_at_what_is_gone(driver, registry):
    fill(registry)
    driver.put(layout.tag_current_link("a", "v3"), str(Digest.of(b"gone")).encode())
    driver.put(layout.tag_current_link("a/b", "v4"), str(Digest.of(A)).encode())
    report = found(driver)
    assert report[f"blob {Digest.of(b'gone')}"] == ("its bytes are missing", ["a:v3"])
    assert report[f"a/b: manifest {Digest.of(A)}"][1] == ["a/b:v4"]
    verify(driver, repair=True)
    pull(registry, "a/b", "v4")


def test_a_tag_that_is_pointed_elsewhere_before_the_repair_stays_there(driver, registry):
    fill(registry)
    driver.put(layout.tag_current_link("a", "v1"), b"")

    def push_meanwhile(what, *_):
        if what == "looking at repositories":
            push(registry, "a", "v1", B, b"c", b"3")

    real = registry.tags.point
    seen = []

    def late(*arguments):
        seen.append(arguments)
        return real(*arguments)

    registry.tags.point = late
    verification = Verification(driver, VerificationOptions(repair=True), lambda *_: None)
    inspect = verification._inspect
    verification._inspect = lambda *each: (
        inspect(*each),
        push_meanwhile("looking at repositories"),
    )
    verification.run()
    assert seen
    assert registry.tags.get("a", "v1") == Digest.of(B)


def test_bytes_that_a_push_replaces_before_the_repair_stay(driver, registry):
    fill(registry)
    digest = Digest.of(b"1")
    driver.put(layout.blob_data(digest), b"damaged, and longer")

    def replace(what, done, _total):
        if what == "looking at repositories" and done == 1:
            push_blob(registry, "a", b"1")

    report = verify(driver, replace, repair=True)
    assert f"blob {digest}" in {each.where for each in report.findings}
    pull(registry, "a", "v1")
    assert not driver.objects(layout.DAMAGED)
    assert verify(driver).is_sound


def test_what_is_deleted_meanwhile_is_not_missed(driver, registry, monkeypatch):
    fill(registry)
    outer = index([A, B])
    push(registry, "a", None, B, b"3")
    push(registry, "a", None, outer)
    registry.manifests.delete("a", Digest.of(B))
    real = verification.read_contents

    def read_and_delete(driver, name):
        contents = real(driver, name)
        if name == "a":
            for payload in (outer, index([A]), A, SIGNATURE):
                registry.manifests.delete("a", Digest.of(payload))
            for content in (b"1", b"2", A):
                driver.delete(layout.blob_data(Digest.of(content)))
            driver.delete(layout.layer_link("a", Digest.of(b"s")))
        return contents

    monkeypatch.setattr(verification, "read_contents", read_and_delete)
    monkeypatch.setattr(ChecksumScan, "run", lambda self, **_: ChecksumResult())
    assert not verify(driver).findings


@pytest.mark.parametrize(
    "payload",
    [
        image(b"c", []).replace(
            b'"layers": []',
            b'"layers": [{"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", '
            b'"digest": "sha256:' + b"1" * 64 + b'", "size": 5, "urls": ["https://a/b"]}]',
        ),
        json.dumps(
            {
                "schemaVersion": 1,
                "fsLayers": [{"blobSum": str(Digest.of(b"1"))}],
                "name": "a",
                "tag": "x",
            }
        ).encode(),
        json.dumps(
            {"mediaType": "some/thing", "schemaVersion": 2, "x": str(Digest.of(b"unknown"))}
        ).encode(),
    ],
    ids=["foreign layer", "schema 1", "unknown kind"],
)
def test_what_a_manifest_may_do_without_is_not_missed(driver, registry, payload):
    fill(registry)
    digest = push_blob(registry, "a", payload)
    driver.put(layout.revision_link("a", digest), str(digest).encode())
    assert verify(driver).is_sound


def test_aliases_and_signatures_of_registry2_are_followed(driver, registry):
    push(registry, "b", "v1", image(b"c", [b"1"]), b"c", b"1")
    alias = image(b"c", [b"1"], algorithm="sha512")
    for content in (b"c", b"1"):
        link = layout.layer_link("b", Digest.of(content, "sha512"))
        driver.put(link, str(Digest.of(content)).encode())
    registry.manifests.put("b", "alias", alias)
    layers = [{"blobSum": str(Digest.of(b"1"))}]
    payload = json.dumps({"schemaVersion": 1, "fsLayers": layers, "tag": "x"}).encode()
    digest = push_blob(registry, "b", payload)
    signature = Digest.of(b"signature")
    driver.put(layout.revision_link("b", digest), str(digest).encode())
    beside = f"{layout.revision('b', digest)}/signatures/sha256/{signature.encoded}/link"
    driver.put(beside, str(signature).encode())
    driver.put(layout.blob_data(Digest.of(b"1")), b"X")
    assert found(driver) == {
        f"blob {Digest.of(b'1')}": (
            f"its bytes are damaged: they hash to {Digest.of(b'X')}",
            ["b:alias", "b:v1", f"b@{digest}"],
        ),
        f"blob {signature}": ("its bytes are missing", [f"b@{digest}"]),
    }


def test_an_index_may_lack_children_where_that_is_allowed(driver):
    sparse = Validation(platforms="none")
    registry = Registry(driver, sparse)
    push(registry, "a", "v1", index([A, B]))
    assert not verify(driver).is_sound
    assert verify(driver, validation=sparse).is_sound


def test_without_validation_only_what_was_once_here_is_missed(driver):
    """And nothing is linked into a repository because a manifest there names it."""
    lax = Validation(disabled=True)
    registry = Registry(driver, lax)
    push_blob(registry, "secret", b"1")
    push(registry, "a", "v1", A, b"2")
    assert verify(driver, validation=lax, repair=True).is_sound
    assert not driver.folders(layout.layers_by("a", "sha256"))[1:]
    driver.delete(layout.blob_data(Digest.of(b"2")))
    assert set(found(driver, validation=lax)) == {f"blob {Digest.of(b'2')}"}


def interrupted(driver, count):
    """Run until some blobs are read, and as if Ctrl-C were pressed then."""
    calls = []

    def press(what, *_):
        calls.append(what)
        if what == "reading MiB" and len(calls) > count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(driver, press)


def reads(driver, **scope):
    """Give a report, and how many blobs were read for it."""
    calls = []
    report = verify(driver, lambda what, *_: calls.append(what), **scope)
    return report, calls.count("reading MiB")


def test_an_interrupted_run_is_gone_on_with(driver, registry):
    fill(registry)
    order = sorted(blobs_in(driver))
    first, last = Digest.parse(order[0]), Digest.parse(order[-1])
    for digest in (first, last):
        driver.put(layout.blob_data(digest), b"damaged")
    interrupted(driver, 4)
    report, count = reads(driver)
    assert count == len(order) - 4 + 1, "what was left, and once more what was found damaged"
    assert {f"blob {first}", f"blob {last}"} <= {each.where for each in report.findings}
    assert 0 < report.skipped_bytes < report.bytes
    _, count = reads(driver)
    assert count == len(order), "that run has ended: the next one is new"


def test_a_run_can_be_begun_anew(driver, registry):
    fill(registry)
    interrupted(driver, 4)
    assert reads(driver, restart=True)[1] == len(blobs_in(driver))


def test_what_was_mended_since_an_interruption_is_not_told(driver, registry):
    fill(registry)
    first = Digest.parse(min(blobs_in(driver)))
    good = driver.read(layout.blob_data(first))
    driver.put(layout.blob_data(first), b"damaged")
    interrupted(driver, 4)
    driver.put(layout.blob_data(first), good)
    assert verify(driver).is_sound


def test_a_run_that_is_killed_has_noted_how_far_it_was(driver, registry, monkeypatch):
    fill(registry)
    monkeypatch.setattr(checksums, "_NOTED_BLOBS", 2)
    noted = []
    real = type(driver).put

    def put(self, path, content):
        if path == layout.progress("verify"):
            noted.append(json.loads(content)["last"])
        real(self, path, content)

    monkeypatch.setattr(type(driver), "put", put)
    verify(driver)
    assert noted == sorted(blobs_in(driver))[1::2]


@pytest.mark.parametrize("content", [b"", b"{", b'{"last": "x", "suspects": ["y"]}', b'{"last":1}'])
def test_a_note_that_means_nothing_is_passed_over(driver, registry, content):
    fill(registry)
    driver.put(layout.progress("verify"), content)
    assert reads(driver)[1] == len(blobs_in(driver))


def test_two_verifications_at_once_are_kept_apart_and_a_collection_is_not(driver):
    with driver.lock("verify"), pytest.raises(AlreadyLocked):
        verify(driver)
    with driver.lock("collection"):
        verify(driver, repair=True)


def test_a_store_that_can_only_be_read_can_be_verified_and_not_repaired(driver, registry):
    fill(registry)
    digest = Digest.of(b"1")
    driver.put(layout.blob_data(digest), b"X")
    read_only = ReadOnlyDriver(driver)
    assert set(found(read_only)) == {f"blob {digest}"}
    (finding,) = verify(read_only, repair=True).findings
    assert "it could not be repaired: the store is read-only" in finding.problem


@pytest.mark.parametrize(
    ("folder", "where"),
    [
        (layout.BLOBS + "/sha256", layout.BLOBS + "/sha256"),
        (layout.revisions("a", "sha256"), "a"),
        (layout.repository("a"), layout.repository("a")),
    ],
)
def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_verified(
    driver, registry, monkeypatch, folder, where
):
    fill(registry)
    driver.put(layout.layer_link("b", Digest.of(b"1")), b"")
    real = type(driver).folders

    def failing(self, path):
        if path == folder:
            raise StorageUnavailable("Input/output error")
        return real(self, path)

    monkeypatch.setattr(type(driver), "folders", failing)
    report = found(driver)
    assert "Input/output error" in report[where][0]
    assert f"b: layer {Digest.of(b'1')}" in report


def test_bytes_that_cannot_be_read_are_damaged(driver, registry, monkeypatch):
    fill(registry)
    digest = Digest.of(b"1")
    real = type(driver).open

    def failing(self, path):
        if digest.encoded in path:
            raise StorageUnavailable("Input/output error")
        return real(self, path)

    monkeypatch.setattr(type(driver), "open", failing)
    assert found(driver) == {
        f"blob {digest}": ("its bytes cannot be read: Input/output error", ["a:v1", "a:v2"])
    }
    verify(driver, repair=True)
    assert len(driver.objects(layout.DAMAGED)) == 1


def test_a_repair_that_fails_says_so_and_the_others_are_done(driver, registry, monkeypatch):
    fill(registry)
    driver.put(layout.layer_link("a", Digest.of(b"1")), b"")
    driver.put(layout.layer_link("a", Digest.of(b"2")), b"")
    real = type(driver).put

    def failing(self, path, content):
        if Digest.of(b"1").encoded in path:
            raise StorageUnavailable("No space left on device")
        real(self, path, content)

    monkeypatch.setattr(type(driver), "put", failing)
    report = verify(driver, repair=True)
    assert [each.repaired for each in report.findings].count(True) == 1
    (left,) = [each for each in report.findings if not each.repaired]
    assert "No space left on device" in left.problem


def test_a_tag_deleted_meanwhile_is_not_made_again(driver, registry):
    fill(registry)
    driver.put(layout.tag_current_link("a", "v1"), str(Digest.of(B)).encode())
    registry.tags.delete("a", "v1")
    verify(driver, repair=True)
    with pytest.raises(ManifestUnknown):
        registry.tags.get("a", "v1")
