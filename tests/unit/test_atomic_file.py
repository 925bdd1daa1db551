"""Small files: the old content or the new, whatever happens in between."""

from __future__ import annotations

import os
import stat

import pytest

from holm_registry.atomic_file import create_file, replace_file

from ..kill_points import every_death


def test_a_replaced_file_has_the_new_content_and_the_mode(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_file(str(path), b"new", 0o664)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    assert os.listdir(tmp_path) == ["file"]


def test_an_existing_file_is_not_created_again(tmp_path):
    path = tmp_path / "file"
    create_file(str(path), b"first", 0o600)
    with pytest.raises(FileExistsError):
        create_file(str(path), b"second", 0o600)
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


def test_a_partial_write_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:2]))
    replace_file(str(tmp_path / "file"), b"12345", 0o600)
    assert (tmp_path / "file").read_bytes() == b"12345"


def test_a_full_disk_leaves_the_old_content_and_no_other_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_file, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(str(path), b"new", 0o600)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("write", [replace_file, create_file])
def test_a_process_that_dies_leaves_all_of_the_content_or_none(tmp_path, monkeypatch, write):
    path = tmp_path / "file"

    def live(_deadline):
        path.unlink(missing_ok=True)
        write(str(path), b"new", 0o600)

    def check(_deadline):
        assert not path.exists() or path.read_bytes() == b"new"

    every_death(monkeypatch, live, check)
