"""Lists that come in pages, some of which hold nothing to show."""

from __future__ import annotations

import json

import pytest

from holm_registry.ui.client.client import MAX_PAGES

from .wire import answer

FIELDS = {"/v2/_catalog": "repositories", "/v2/app/tags/list": "tags"}
LISTS = [("/api/repos", "repositories"), ("/api/tags/app", "tags")]


def in_pages(ui, pages):
    """Have the registry give each list in these pages; each but the last leads to the next."""

    def page(method, path, headers):
        where, _, query = path.partition("?")
        if where not in FIELDS:
            return None
        number = int(query.partition("page=")[2] or 0)
        link = {"Link": f'<{where}?page={number + 1}>; rel="next"'}
        body = json.dumps({FIELDS[where]: pages[number]}).encode()
        return answer(200, body, **(link if number + 1 < len(pages) else {}))

    ui.wire.intercept = page


@pytest.mark.parametrize(("path", "field"), LISTS)
@pytest.mark.parametrize("empty", [[], None, ["no name!"], [None]])
def test_a_page_with_nothing_to_show_does_not_end_a_list(ui, path, field, empty):
    """A registry that leaves out what a visitor may not see may answer so."""
    in_pages(ui, [empty, ["a"], empty, empty, ["b"], empty])
    assert ui.get(path).json[field] == ["a", "b"]


@pytest.mark.parametrize(("path", "field"), LISTS)
def test_empty_pages_are_followed_so_far_and_no_further(ui, path, field):
    in_pages(ui, [[]] * (MAX_PAGES + 1))
    found = ui.get(path)
    assert found.status == 502
    assert f"more than {MAX_PAGES:,} pages" in found.json["error"]
    assert len(ui.wire.requests_sent) == MAX_PAGES


@pytest.mark.parametrize(("path", "field"), LISTS)
def test_a_page_that_was_there_before_ends_a_list_with_an_error(ui, path, field):
    in_pages(ui, [["a"], [], ["a"], ["b"]])
    assert "nothing new" in ui.get(path).json["error"]
