"""The table of error codes, as the specification and registry:2 have it."""

from __future__ import annotations

import pytest

from holm_registry.oci import errors
from holm_registry.oci.errors import RegistryError

TABLE = {
    "UNKNOWN": 500,
    "UNSUPPORTED": 405,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "UNAVAILABLE": 503,
    "TOOMANYREQUESTS": 429,
    "DIGEST_INVALID": 400,
    "SIZE_INVALID": 400,
    "RANGE_INVALID": 416,
    "NAME_INVALID": 400,
    "TAG_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "MANIFEST_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNVERIFIED": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 404,
    "PAGINATION_NUMBER_INVALID": 400,
}
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, RegistryError)
    and value not in (RegistryError, errors.MultipleErrors)
]


def test_there_is_a_class_for_each_code_and_no_other():
    assert {cls.code: cls.status for cls in CLASSES} == TABLE
    assert len(CLASSES) == len(TABLE)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_says_something_and_may_say_more(cls):
    assert cls().message
    assert cls().message != cls.code
    said = cls("in words", detail={"a": 1}, status=418, headers={"X": "y"})
    assert (said.message, said.detail, said.status, said.headers) == (
        "in words",
        {"a": 1},
        418,
        {"X": "y"},
    )
    assert list(said.entries()) == [said]


def test_of_several_errors_the_first_gives_the_status():
    found = [errors.SizeInvalid(), errors.BlobUnknown()]
    assert errors.MultipleErrors(found).status == 400
    assert list(errors.MultipleErrors(found).entries()) == found
