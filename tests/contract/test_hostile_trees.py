"""Whatever lies on the volume: one bad entry costs that entry, and what is not ours is let be."""

from __future__ import annotations

import os

import pytest

from holm_registry.content.registry import Registry
from holm_registry.gc.collection import CollectionOptions
from holm_registry.gc.uploads import purge_uploads
from holm_registry.gc.usage import measure
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import ManifestUnknown
from holm_registry.oci.paging import PageRequest
from holm_registry.server.quota_usage import used_bytes
from holm_registry.storage import layout
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.verify.verification import Verification, VerificationOptions

from .. import hostile
from ..hostile import KINDS, LOOSE, SOUND, require_sound
from ..stores import age, collect, pull, push, push_blob


@pytest.fixture
def root(tmp_path):
    root = str(tmp_path / "root")
    hostile.fill(root)
    return root


def verify(root, *, repair=False):
    return Verification(
        FilesystemDriver(root), VerificationOptions(repair=repair), lambda *_: None
    ).run()


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_entry_costs_that_entry(root, kind):
    hostile.spoil(root, kind)
    lines: list[str] = []
    registry = Registry(FilesystemDriver(root), complain=lines.append)
    require_sound(registry)
    push_blob(registry, "bad", b"more")
    registry.manifests.delete("bad", Digest.of(LOOSE))
    assert measure(FilesystemDriver(root), CollectionOptions()).total.tags == 3
    assert used_bytes(FilesystemDriver(root), "bad") > 0
    assert any(
        f"tag spoiled: {reason}" in f"{each.where}: {each.problem}"
        for each in verify(root).findings
        for reason in ("its link", "it points nowhere")
    )
    purge_uploads(FilesystemDriver(root), 60.0)
    age(root)
    result, _ = collect(FilesystemDriver(root), untagged=True, grace_seconds=60.0)
    assert min(result.manifests, result.blobs) >= 1, "the rest of the store is collected"
    require_sound(registry)
    verify(root, repair=True)
    require_sound(registry)
    assert len(lines) < 20


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_listed_can_be_deleted_or_pushed_anew(root, kind):
    hostile.spoil(root, kind)
    registry = Registry(FilesystemDriver(root))
    assert "spoiled" in registry.tags.page("bad", PageRequest())[0]
    registry.tags.delete("bad", "spoiled")
    assert "spoiled" not in registry.tags.page("bad", PageRequest())[0]
    with pytest.raises(ManifestUnknown):
        registry.tags.delete("bad", "spoiled")
    registry.manifests.delete("bad", Digest.of(b"spoiled manifest"))
    registry.blobs.delete("bad", Digest.of(b"spoiled layer"))
    if kind != "folder":
        hostile.put(root, layout.tag_current_link("bad", "v1"), kind)
        push(registry, "bad", "v1", SOUND)
        pull(registry, "bad", "v1")


def test_what_is_not_ours_is_neither_listed_nor_deleted_and_stops_nothing(root):
    before = verify(root)
    assert before.findings == []
    litter = hostile.litter(root)
    registry = Registry(FilesystemDriver(root))
    require_sound(registry)
    assert registry.tags.page("bad", PageRequest())[0] == ("v1",)
    assert registry.tags.page("bad", PageRequest(1)) == (("v1",), False)
    after = verify(root, repair=True)
    assert (after.findings, after.blobs, after.manifests) == ([], before.blobs, before.manifests)
    stats = measure(FilesystemDriver(root), CollectionOptions())
    assert (stats.problems, stats.total.tags, stats.total.uploads) == ([], 2, 0)
    age(root)
    result, _ = collect(FilesystemDriver(root), untagged=True, grace_seconds=60.0)
    assert (result.problems, result.blobs, result.manifests) == ([], 3, 2)
    assert [path for path in litter if not os.path.lexists(path)] == []
    require_sound(registry)


def test_a_folder_that_leads_back_to_itself_ends(root):
    repositories = f"{root}/{layout.REPOSITORIES}"
    os.symlink(".", f"{repositories}/bad/self")
    os.symlink("../..", f"{repositories}/good/deep/up")
    os.symlink("/", f"{repositories}/good/top")
    os.symlink("../good", f"{repositories}/bad/other")
    os.symlink("../bad", f"{repositories}/good/other")
    registry = Registry(FilesystemDriver(root))
    names, _ = registry.catalog.page(PageRequest(1000))
    assert {"bad", "good/deep"} <= set(names)
    assert len(names) < 10
    assert collect(FilesystemDriver(root), untagged=True, dry_run=True)[0].problems == []
    assert verify(root).findings == []


def test_one_folder_that_cannot_be_read_costs_what_is_in_it(root, monkeypatch):
    closed = f"{root}/{layout.repository('bad')}"
    real = os.scandir

    def scandir(path="."):
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    lines: list[str] = []
    registry = Registry(FilesystemDriver(root), complain=lines.append)
    for _ in range(3):
        assert registry.catalog.page(PageRequest(100)) == (["good/deep"], False)
    assert lines == [f"skipped: {layout.repository('bad')}: Permission denied"]
    age(root)
    result, _ = collect(FilesystemDriver(root), untagged=True, grace_seconds=60.0)
    assert result.manifests == 1
    assert result.blobs == 0, "what cannot be listed may name any blob"
    (finding,) = verify(root).findings
    assert "cannot be listed: Permission denied" in finding.problem
    assert purge_uploads(FilesystemDriver(root), 60.0).problems
    measure(FilesystemDriver(root), CollectionOptions())
