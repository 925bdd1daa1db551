"""Forms that cannot be read, in words for people."""

from __future__ import annotations

import pytest

from holm_registry.ui.web.forms import MAX_FORM_FIELDS

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"repo=\xff", "the form is not UTF-8"),
        (b"repo=%FF", "the form is not UTF-8"),
        (b"repo=a" + b"&tag=" * MAX_FORM_FIELDS, "a form may have 20,000 fields at the most"),
        (b"repo=" + b"a" * 2**20, "a form may have 1,048,576 bytes at the most"),
    ],
)
@pytest.mark.parametrize("path", ["/delete", "/theme"])
def test_what_is_wrong_with_a_form_is_said(ui, body, told, path):
    found = ui.request("POST", path, body, Content_Type=FORM)
    assert (found.status, found.body.decode()) == (
        400,
        f"This request cannot be understood: {told}\n",
    )


def test_as_many_fields_as_a_form_may_have(ui):
    body = b"repo=a" + b"&x=" * (MAX_FORM_FIELDS - 1)
    found = ui.request("POST", "/delete", body, Content_Type=FORM)
    assert b"missing field: digest" in found.body
