"""What holds for files alone: other processes, power cuts, full disks."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys

import pytest

from holm_registry.storage import durable, placement
from holm_registry.storage.errors import NotFound, StorageUnavailable, UploadBusy
from holm_registry.storage.filesystem import FilesystemDriver


@pytest.fixture
def store(tmp_path) -> FilesystemDriver:
    return FilesystemDriver(str(tmp_path))


@pytest.fixture
def calls(monkeypatch):
    """Record the calls that make things durable, in order."""
    recorded = []

    def record(name, real):
        def wrapper(*args, **kwargs):
            target = args[0]
            if isinstance(target, int):
                target = os.readlink(f"/proc/self/fd/{target}")
            recorded.append(
                (name, os.path.basename(target), *map(os.path.basename, args[1:2]))
                if name == "rename"
                else (name, os.path.basename(target))
            )
            return real(*args, **kwargs)

        return wrapper

    for name in ("fsync", "rename", "mkdir"):
        monkeypatch.setattr(os, name, record(name, getattr(os, name)))
    return recorded


def test_a_put_is_synced_renamed_and_its_folders_synced(store, tmp_path, calls):
    store.put("a/link", b"old")
    calls.clear()
    store.put("a/link", b"new")
    staged = calls[0][1]
    assert calls == [("fsync", staged), ("rename", staged, "link"), ("fsync", "a")]


def test_a_new_folder_comes_into_place_with_the_file_in_it(store, tmp_path, calls):
    store.put("warm/up", b"")
    calls.clear()
    store.put("a/b/c/link", b"x")
    file, folder = calls[0][1], next(call[1] for call in calls if call[0] == "mkdir")
    assert calls == [
        ("fsync", file),
        ("mkdir", folder),
        ("mkdir", "b"),
        ("mkdir", "c"),
        ("rename", file, "link"),
        ("fsync", "c"),
        ("fsync", "b"),
        ("fsync", folder),
        ("rename", folder, "a"),
        ("fsync", tmp_path.name),
    ]


def test_a_folder_somebody_else_made_meanwhile_is_used(store, tmp_path, monkeypatch):
    real = placement.sync_down

    def overtaken(*args):
        real(*args)
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "a/b/other").write_bytes(b"y")

    monkeypatch.setattr(placement, "sync_down", overtaken)
    store.put("a/b/link", b"x")
    assert store.read("a/b/link") == b"x"
    assert store.read("a/b/other") == b"y"
    assert list((tmp_path / "docker/registry/v2/_staging").iterdir()) == []


def test_an_upload_is_synced_before_and_its_folder_after_it_is_promoted(store, calls):
    store.create_upload("up/data")
    upload = store.open_upload("up/data")
    upload.append([b"x"])
    store.put("to/other", b"")
    calls.clear()
    upload.promote("to/data")
    upload.close()
    assert calls[0] == ("fsync", "data")
    assert calls[-2:] == [("rename", "data", "data"), ("fsync", "to")]


def test_a_delete_is_synced(store, calls):
    store.put("a/link", b"x")
    calls.clear()
    store.put("b/c/link", b"x")
    calls.clear()
    store.delete("a/link")
    assert calls == [("fsync", "a")]
    calls.clear()
    store.delete_folder("b/c")
    assert [call[0] for call in calls] == ["rename", "fsync"], "at once, then durably"
    assert calls[-1] == ("fsync", "b")


def test_an_upload_held_by_another_process_is_busy(store, tmp_path):
    store.create_upload("up")
    script = (
        "import sys; from holm_registry.storage.filesystem import FilesystemDriver;"
        f"upload = FilesystemDriver({str(tmp_path)!r}).open_upload('up');"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UploadBusy):
            store.open_upload("up")
        other.communicate()
    store.open_upload("up").close()


def full_disk(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_put_that_fails_leaves_the_old_content_and_nothing_aside(store, tmp_path, monkeypatch):
    store.put("a", b"old")
    monkeypatch.setattr(placement, "write_all", full_disk)
    with pytest.raises(StorageUnavailable, match="No space left on device"):
        store.put("a", b"new")
    monkeypatch.undo()
    assert store.read("a") == b"old"
    assert list((tmp_path / "docker/registry/v2/_staging").iterdir()) == []


def test_an_append_that_fails_half_way_leaves_what_was_there(store, monkeypatch):
    store.create_upload("up")
    upload = store.open_upload("up")
    upload.append([b"kept"])
    real = os.pwritev
    parts = iter([3])

    def fail_later(descriptor, views, offset):
        for length in parts:
            return real(descriptor, [memoryview(views[0])[:length]], offset)
        return full_disk()

    monkeypatch.setattr(durable.os, "pwritev", fail_later)
    with pytest.raises(StorageUnavailable):
        upload.append([b"lost and more"])
    monkeypatch.undo()
    assert upload.size_bytes == 4
    assert store.stat("up").size_bytes == 4
    upload.append([b" and more"])
    assert upload.read(0, 100) == b"kept and more"
    upload.close()


def test_a_write_the_system_cuts_short_is_carried_on(store, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr(
        durable.os,
        "pwritev",
        lambda descriptor, views, offset: real(descriptor, [memoryview(views[0])[:3]], offset),
    )
    store.put("a", b"0123456789")
    store.create_upload("up")
    upload = store.open_upload("up")
    upload.append([b"01234", b"56", b"789"])
    assert upload.read(0, 100) == store.read("a") == b"0123456789"
    upload.close()


def test_on_a_read_only_mount_existing_is_fresh_enough(store, monkeypatch):
    store.put("a", b"x")

    def read_only(*args):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "utime", read_only)
    store.refresh("a")


def test_an_upload_can_be_taken_where_there_are_no_locks(store, monkeypatch):
    def no_locks(*args):
        raise OSError(errno.ENOLCK, "no locks")

    store.create_upload("up")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    upload = store.open_upload("up")
    with pytest.raises(UploadBusy):
        store.open_upload("up")
    upload.close()


def test_a_file_where_a_folder_should_be_is_an_error_and_no_crash(store, tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="File exists"):
        store.put("a/b", b"x")


def test_readers_nobody_closes_give_their_descriptors_back(store):
    store.put("a", b"x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        store.open("a")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_another_process_deletes_meanwhile_is_made_again(
    store, tmp_path, monkeypatch
):
    store.put("a/b/link", b"old")
    real, deletions = os.rename, iter([1])

    def overtaken(source, target):
        if target.endswith("a/b/link"):
            for _ in deletions:
                shutil.rmtree(tmp_path / "a")
        real(source, target)

    monkeypatch.setattr(os, "rename", overtaken)
    store.put("a/b/link", b"new")
    assert store.read("a/b/link") == b"new"


def test_a_store_that_is_gone_is_unavailable_and_not_missing_content(store, tmp_path, monkeypatch):
    def gone(*args, **kwargs):
        raise FileNotFoundError(errno.ENOENT, "gone")

    store.put("a/b/link", b"x")
    monkeypatch.setattr(placement, "sync_folder", gone)
    with pytest.raises(StorageUnavailable):
        store.put("a/b/link", b"x")
    monkeypatch.setattr(os, "makedirs", gone)
    with pytest.raises(StorageUnavailable):
        store.create_upload("a/up/data")


def test_an_upload_that_another_process_removed_cannot_be_promoted(store, tmp_path):
    store.create_upload("up/x/data")
    upload = store.open_upload("up/x/data")
    shutil.rmtree(tmp_path / "up")
    with pytest.raises(NotFound):
        upload.promote("to/data")
    upload.close()
    with pytest.raises(NotFound):
        store.stat("to/data")


def test_the_disk_is_put_to_work_while_an_upload_grows(store, monkeypatch):
    told = []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda file, start, length, advice: told.append((start, length))
    )
    store.create_upload("up", b"01")
    upload = store.open_upload("up")
    step = b"x" * (3 * 1024 * 1024)
    for _ in range(7):
        upload.append([step])
    upload.close()
    assert told == [(2, 3 * len(step)), (2 + 3 * len(step), 3 * len(step))]


def no_links(*args):
    raise PermissionError(errno.EPERM, "no hard links here")


@pytest.mark.parametrize("links", [True, False])
def test_a_sweep_never_replaces_what_was_written_meanwhile(store, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    for is_needed in (True, False):
        store.put("a/link", b"old")

        def write(_, is_needed=is_needed):
            store.put("a/link", b"new")
            return is_needed

        assert not store.sweep("a/link", write)
        assert store.read("a/link") == b"new"
        assert sorted(os.listdir(tmp_path / "a"))[:1] == ["link"]
        assert store.sweep("a/link", lambda _: False)
        assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("links", [True, False])
def test_whoever_asks_for_what_is_out_of_sight_has_it_back(store, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    store.put("a/link", b"x")
    assert not store.sweep("a/link", lambda _: bool(store.stat("a/link").version) and False)
    assert os.listdir(tmp_path / "a") == ["link"]
    assert not store.sweep("a/link", lambda _: True)
    assert os.listdir(tmp_path / "a") == ["link"]


def test_what_a_crash_left_out_of_sight_comes_back_or_is_swept(store, tmp_path):
    store.put("a/link", b"x")
    os.rename(tmp_path / "a/link", tmp_path / "a/link.0.aside")
    assert store.objects("a") == []
    assert store.read("a/link") == b"x"
    os.rename(tmp_path / "a/link", tmp_path / "a/link.0.aside")
    assert store.sweep("a/link", lambda _: False)
    assert not (tmp_path / "a").exists()


def test_what_is_deleted_does_not_come_back_from_out_of_sight(store, tmp_path):
    store.put("a/link", b"x")
    os.rename(tmp_path / "a/link", tmp_path / "a/link.0.aside")
    store.put("a/link", b"again")
    store.delete("a/link")
    with pytest.raises(NotFound):
        store.stat("a/link")


def test_a_folder_with_something_that_is_not_ours_stays(store, tmp_path):
    store.put("a/b/link", b"x")
    (tmp_path / "a/b/@eaDir").mkdir()
    assert store.sweep("a/b/link", lambda _: False)
    assert os.listdir(tmp_path / "a/b") == ["@eaDir"]
    assert not store.sweep("a/b/link", lambda _: False)
