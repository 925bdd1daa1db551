"""The first line of a request: its version, and what of it may be logged."""

from __future__ import annotations

import pytest

from holm_registry.http.first_line import VersionUnsupported, as_spoken, loggable


@pytest.mark.parametrize("version", [b"1.2", b"1.9"])
def test_a_later_minor_version_is_read_as_the_one_that_is_spoken(version):
    assert as_spoken(b"GET / HTTP/" + version) == b"GET / HTTP/1.1"


@pytest.mark.parametrize("line", [b"GET / HTTP/2.0", b"PRI * HTTP/2.0", b"x y HTTP/9.9"])
def test_a_later_major_version_is_not_spoken(line):
    with pytest.raises(VersionUnsupported):
        as_spoken(line)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.0",
        b"GET / HTTP/1.1",
        b"GET / HTTP/0.9",
        b"GET / http/2.0",
        b"GET / HTTP/2",
        b"GET / HTTP/20.0",
        b"GET / HTTP/1.10",
        b"GET  / HTTP/2.0",
        b"GET / HTTP/2.0 ",
        b"HTTP/2.0",
        b"",
    ],
)
def test_what_is_no_such_line_is_left_as_it_is(line):
    assert as_spoken(line) == line


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (b"GET /v2/?n=1 HTTP/7.1", b"GET /v2/?n=1 HTTP/7.1"),
        (b"GET  /v2/ secret", b"GET  /v2/"),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS * HTTP/1.1"),
        (b"GET http://a/b HTTP/1.1", b"GET http://a/b HTTP/1.1"),
        (b"grant_type=password&password=secret", b"-"),
        (b"Authorization: Basic c2VjcmV0", b"-"),
        (b"secret /v2/ HTTP/1.1", b"-"),
        (b"", b"-"),
    ],
)
def test_nothing_but_a_method_and_a_target_is_logged(line, logged):
    assert loggable(line) == logged
