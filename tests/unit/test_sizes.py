from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
def test_sizes_are_parsed(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1PB", "1 2", "iB", "1iB", "ten", None, "1e3"])
def test_other_texts_are_not_sizes(text):
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 * 2**40, "3.0 TiB")]
)
def test_sizes_are_formatted(size, text):
    assert format_size(size) == text
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1023, "1023 B"),
        (1024**2 - 1, "1.0 MiB"),
        (12_900_000, "12.3 MiB"),
        (1024**4, "1.0 TiB"),
        (1024**5, "1.0 PiB"),
    ],
)
def test_a_size_is_in_the_largest_unit_that_gives_a_number(size, text):
    assert format_size(size) == text


@given(st.integers(min_value=0, max_value=10**17))
def test_a_size_never_reads_1024(size):
    assert float(format_size(size).partition(" ")[0]) < 1024
