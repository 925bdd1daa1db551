from __future__ import annotations

import pytest

from holm_registry.oci.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GiB", 10 * 1024**3),
        ("10Gi", 10 * 1024**3),
        ("10 gib", 10 * 1024**3),
        ("500MB", 500_000_000),
        ("500M", 500_000_000),
        ("1.5KiB", 1536),
        ("2T", 2 * 10**12),
        ("7B", 7),
        ("0", 0),
        (4096, 4096),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1PB", "1 2", "iB", "1iB", "ten", None, "1e3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * 2**40, "3.0 TiB")]
)
def test_sizes_are_written_for_people(size, text):
    assert format_size(size) == text
    assert parse_size(text) == size
