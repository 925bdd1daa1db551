from __future__ import annotations

import pytest

from holm_registry.oci.errors import PaginationNumberInvalid
from holm_registry.oci.paging import PageRequest, next_page_query, parse_page


def test_without_parameters_the_default_applies():
    assert parse_page(None, None) == PageRequest(None, "")
    assert parse_page(None, None, default=100) == PageRequest(100, "")
    assert parse_page("", "a", default=100) == PageRequest(100, "a")


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "1e3", " 1", "٣", "9" * 30])
def test_other_texts_than_numbers_are_refused(n):
    with pytest.raises(PaginationNumberInvalid):
        parse_page(n, None)


def test_zero_is_a_valid_number():
    assert parse_page("0", None) == PageRequest(0, "")


def test_more_than_the_maximum_is_refused():
    assert parse_page("1000", None, maximum=1000).limit == 1000
    with pytest.raises(PaginationNumberInvalid):
        parse_page("1001", None, maximum=1000)


def test_only_a_page_with_a_successor_has_a_next_page():
    page = PageRequest(2, "")
    assert next_page_query(page, ["a", "b"], more=True) == {"last": "b", "n": 2}
    assert next_page_query(page, ["a", "b"], more=False) is None
    assert next_page_query(PageRequest(0, ""), [], more=True) is None
