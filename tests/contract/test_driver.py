"""What every driver must do, whatever it keeps things in."""

from __future__ import annotations

import os
import threading
import time

import pytest

from holm_registry.storage.driver import MAX_SMALL_BYTES, Driver
from holm_registry.storage.errors import NotFound, StorageUnavailable, UploadBusy
from holm_registry.storage.filesystem import FilesystemDriver
from holm_registry.storage.memory import MemoryDriver
from holm_registry.storage.readonly import ReadOnlyDriver


@pytest.fixture(params=["memory", "filesystem"])
def driver(request, tmp_path) -> Driver:
    return MemoryDriver() if request.param == "memory" else FilesystemDriver(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 400])
def test_what_is_put_is_read(driver, content):
    driver.put("a/b/c", content)
    assert driver.read("a/b/c") == content
    assert driver.stat("a/b/c").size_bytes == len(content)


def test_a_put_replaces(driver):
    driver.put("a/x", b"first")
    driver.put("a/x", b"2nd")
    assert driver.read("a/x") == b"2nd"


@pytest.mark.parametrize("verb", ["stat", "read", "open", "refresh", "delete", "open_upload"])
@pytest.mark.parametrize("path", ["nowhere", "a/b/nowhere", "a/file/below", "x" * 5000])
def test_what_is_not_there_is_not_found(driver, verb, path):
    driver.put("a/file", b"x")
    with pytest.raises(NotFound):
        getattr(driver, verb)(path)


def test_an_open_object_reads_in_parts_even_when_deleted(driver):
    driver.put("a", b"0123456789")
    reader = driver.open("a")
    driver.delete("a")
    assert reader.size_bytes == 10
    assert reader.read(2, 3) == b"234"
    assert reader.read(8, 100) == b"89"
    assert reader.read(10, 1) == b""
    reader.close()


def test_a_deleted_object_is_gone(driver):
    driver.put("a/b", b"x")
    driver.delete("a/b")
    with pytest.raises(NotFound):
        driver.read("a/b")


def test_a_deleted_folder_takes_all_below_with_it_and_nothing_beside(driver):
    for path in ("a/b/c", "a/b/d/e", "a/bb/c"):
        driver.put(path, b"x")
    driver.delete_folder("a/b")
    driver.delete_folder("a/b")
    assert driver.folders("a") == ["bb"] or driver.folders("a") == ("bb",)
    assert driver.read("a/bb/c") == b"x"


def test_folders_are_sorted_and_files_are_none(driver):
    for path in ("r/b/x", "r/a/x", "r/a-b/x", "r/file", "r/B/y/z"):
        driver.put(path, b"")
    assert list(driver.folders("r")) == ["B", "a", "a-b", "b"]
    assert list(driver.folders("nowhere")) == []
    assert list(driver.folders("r/file")) == []


def test_folders_are_listed_anew_when_they_change(driver):
    """Also when what is listed was remembered, and the change came from another process."""
    driver.put("r/a/x", b"")
    if isinstance(driver, FilesystemDriver):
        old = time.time() - 100
        os.utime(driver._full("r"), (old, old))
    assert list(driver.folders("r")) == ["a"]
    assert list(driver.folders("r")) == ["a"]
    driver.put("r/b/x", b"")
    assert list(driver.folders("r")) == ["a", "b"]
    driver.delete_folder("r/a")
    assert list(driver.folders("r")) == ["b"]


def test_refreshing_makes_an_object_young_and_leaves_it_as_it_is(driver, monkeypatch):
    driver.put("a", b"x")
    if isinstance(driver, FilesystemDriver):
        os.utime(driver._full("a"), (1, 1))
    else:
        driver._objects["a"].modified = 1
    driver.refresh("a")
    assert abs(driver.stat("a").modified - time.time()) < 60
    assert driver.read("a") == b"x"


def test_a_version_changes_with_the_content(driver):
    driver.put("a", b"x")
    if isinstance(driver, FilesystemDriver):
        assert driver.stat("a").version is None, "too young to promise anything"
        os.utime(driver._full("a"), (1, 1))
    before = driver.stat("a").version
    assert before is not None
    assert driver.stat("a").version == before
    driver.put("a", b"y")
    assert driver.stat("a").version != before


def test_an_upload_grows_reads_back_and_is_promoted(driver):
    driver.create_upload("up/data")
    upload = driver.open_upload("up/data")
    upload.append([b"01", b"", b"23"])
    upload.append([])
    upload.append([b"45"])
    assert upload.size_bytes == 6
    assert upload.read(1, 3) == b"123"
    assert upload.read(6, 3) == b""
    upload.promote("to/here/data")
    upload.close()
    assert driver.read("to/here/data") == b"012345"
    with pytest.raises(NotFound):
        driver.stat("up/data")


def test_an_upload_may_begin_with_content(driver):
    driver.create_upload("up/data", b"abc")
    assert driver.read("up/data") == b"abc"


def test_a_promoted_upload_replaces_and_is_young(driver):
    driver.put("to", b"old")
    driver.create_upload("up")
    upload = driver.open_upload("up")
    upload.append([b"new"])
    upload.promote("to")
    upload.close()
    assert driver.read("to") == b"new"
    assert abs(driver.stat("to").modified - time.time()) < 60


def test_an_upload_has_one_writer_at_a_time(driver):
    driver.create_upload("up")
    first = driver.open_upload("up")
    with pytest.raises(UploadBusy):
        driver.open_upload("up")
    first.append([b"x"])
    first.close()
    second = driver.open_upload("up")
    assert second.size_bytes == 1
    second.close()


def test_more_buffers_than_the_system_takes_at_once_are_written(driver):
    driver.create_upload("up")
    upload = driver.open_upload("up")
    upload.append([bytes([n % 256]) for n in range(5000)])
    assert upload.read(0, 5000) == bytes(n % 256 for n in range(5000))
    upload.close()


def test_a_reader_sees_the_old_or_the_new_whole(driver):
    contents = [bytes([letter]) * 20_000 for letter in b"ab"]
    driver.put("x", contents[0])
    stop = threading.Event()
    seen = set()

    def read():
        while not stop.is_set():
            seen.add(driver.read("x"))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for turn in range(50):
            driver.put("x", contents[turn % 2])
    finally:
        stop.set()
        thread.join()
    assert seen <= set(contents)


def test_many_threads_make_folders_in_each_other(driver):
    def put(number):
        for turn in range(20):
            driver.put(f"deep/{turn % 5}/a/b/{number}/x", b"y")

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for turn in range(5):
        assert list(driver.folders(f"deep/{turn}/a/b")) == [str(number) for number in range(8)]


@pytest.mark.parametrize("verb", ["put", "delete", "delete_folder", "create_upload", "open_upload"])
def test_of_a_read_only_store_everything_is_read_and_nothing_changed(driver, verb):
    driver.put("a/b/c", b"x")
    reading = ReadOnlyDriver(driver)
    assert reading.read("a/b/c") == b"x"
    assert reading.open("a/b/c").read(0, 10) == b"x"
    assert reading.stat("a/b/c").size_bytes == 1
    assert list(reading.folders("a")) == ["b"]
    before = driver.stat("a/b/c").modified
    reading.refresh("a/b/c")
    assert driver.stat("a/b/c").modified == before
    with pytest.raises(NotFound):
        reading.refresh("nowhere")
    with pytest.raises(StorageUnavailable, match="read-only"):
        getattr(reading, verb)("a/b/c", *([b"y"] if verb == "put" else []))
    assert driver.read("a/b/c") == b"x"


def test_an_upload_that_is_there_is_not_begun_again(driver):
    driver.create_upload("up")
    upload = driver.open_upload("up")
    upload.append([b"kept"])
    driver.create_upload("up")
    assert upload.read(0, 10) == b"kept"
    upload.close()
    assert driver.open_upload("up").size_bytes == 4


def test_what_is_read_whole_has_bounds(driver):
    driver.put("a", b"x" * MAX_SMALL_BYTES)
    assert len(driver.read("a")) == MAX_SMALL_BYTES
    driver.put("a", b"x" * (MAX_SMALL_BYTES + 1))
    with pytest.raises(StorageUnavailable, match="larger"):
        driver.read("a")
    assert driver.open("a").size_bytes == MAX_SMALL_BYTES + 1
