"""The process dies where bounds are kept: uploads that give way, quotas, several tags at once."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.content.registry import Registry
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import BlobUploadUnknown, ManifestUnknown
from holm_registry.server.quota_usage import measure_usage
from holm_registry.storage import layout
from holm_registry.storage.errors import StorageUnavailable
from holm_registry.storage.filesystem import FilesystemDriver

from ..images import image
from ..kill_points import every_death
from ..stores import pull, push

OLD, NEW = image(b"c", [b"1"]), image(b"c", [b"1"], annotations={"new": "yes"})
SENT = b"sent by one who will go on"


def started(root, **bounds):
    registry = Registry(
        FilesystemDriver(root), bounds=ContentLimits(**bounds), quotas=Quotas({"": 10_000})
    )
    registry.quotas.count("a", lambda: measure_usage(FilesystemDriver(root), "a"))
    return registry


def begin(registry, owner, content):
    session_id = registry.uploads.start("a", owner=owner)
    session = registry.uploads.open("a", session_id)
    session.append([content])
    session.close()
    return session_id


def test_an_upload_that_gives_way_is_whole_or_gone_and_what_is_held_counts(tmp_path, monkeypatch):
    kept, left = {}, []

    def root(deadline):
        return str(tmp_path / str(deadline))

    def live(deadline):
        kept.clear()
        left.clear()
        registry = started(root(deadline), uploads=3)
        left.extend(begin(registry, "hoarder", b"left") for _ in range(3))
        # Takes the place of one of the three.
        kept[begin(registry, "client", SENT)] = SENT

    def check(deadline):
        registry = started(root(deadline), uploads=3)
        for session_id, content in kept.items():
            assert registry.uploads.size_bytes("a", session_id) == len(content)
        found = {}
        for session_id in [*kept, *left]:
            with suppress(BlobUploadUnknown):
                found[session_id] = registry.uploads.size_bytes("a", session_id)
                registry.uploads.open("a", session_id).close()
        assert len(found) >= len(left) - 1, "one gave way"
        assert set(found.values()) <= {len(SENT), len(b"left")}
        data = [
            stat.size_bytes
            for path, stat in FilesystemDriver(root(deadline)).objects(layout.uploads("a"))
            if path.endswith("/data")
        ]
        assert registry.quotas.held("a") == sum(data)
        for session_id, content in kept.items():
            assert registry.uploads.finish("a", session_id, Digest.of(content)) == len(content)
        begin(registry, "another", b"new")

    assert every_death(monkeypatch, live, check) > 20


def test_a_push_of_tags_that_fails_half_way_and_dies_leaves_each_on_one_of_both(
    tmp_path, monkeypatch
):
    """What a failing disk let it write goes back; it dies while it does that."""
    template = str(tmp_path / "template")
    push(Registry(FilesystemDriver(template)), "a", "v1", OLD, b"c", b"1")
    Registry(FilesystemDriver(template)).tags.point("a", ["v2"], Digest.of(OLD))
    refused = layout.tag_current_link("a", "v3")

    def root(deadline):
        return str(tmp_path / str(deadline))

    def live(deadline):
        driver = FilesystemDriver(root(deadline))
        put = driver.put

        def fail(path, content):
            if path == refused:
                raise StorageUnavailable(os.strerror(errno.EIO))
            put(path, content)

        driver.put = fail
        with suppress(StorageUnavailable):
            Registry(driver).manifests.put("a", Digest.of(NEW), NEW, tags=["v1", "v2", "v3"])

    def check(deadline):
        registry = Registry(FilesystemDriver(root(deadline)))
        for tag in ("v1", "v2"):
            pull(registry, "a", tag)
            found = registry.manifests.get("a", tag).content
            assert found in ([OLD] if deadline is None else [OLD, NEW])
        with suppress(ManifestUnknown):
            assert registry.manifests.get("a", "v3").content == NEW
        # Another server is not kept out by the locks of one that died.
        registry.manifests.put("a", Digest.of(NEW), NEW, tags=["v1", "v2", "v3"])
        for tag in ("v1", "v2", "v3"):
            assert registry.manifests.get("a", tag).content == NEW
        shutil.copytree(template, root(0 if deadline is None else deadline + 1))

    shutil.copytree(template, root(None))
    assert every_death(monkeypatch, live, check) > 30
