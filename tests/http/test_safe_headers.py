"""Promise: nothing that somebody pushed runs in a browser that opens it here."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from holm_registry.http import request
from holm_registry.http.channel import HEAD_BYTES
from holm_registry.http.connection_limits import ConnectionTimeouts
from holm_registry.http.default_headers import SAFE_HEADERS
from holm_registry.http.site import StreamingSite
from holm_registry.oci.digest import Digest
from holm_registry.oci.media_types import OCI_MANIFEST

from ..images import image
from .wire import Connection, Server, parse

SCRIPT = "<script>alert(1)</script>"
ZEROS = "sha256:" + "0" * 64


def every_answer(server: Server):
    """Ask for everything there is, and for what there is not."""
    digest = server.push_image("a", "v1", b"{}", [b"layer"])
    blob = Digest.of(b"layer")
    upload = server.start_upload("a")
    yield from (
        server.request(method, path, **headers)
        for method in ("GET", "HEAD", "OPTIONS", "BREW", "DELETE")
        for path, headers in [
            *(("/", {}), ("/v2/", {}), ("/v2/_catalog", {}), ("/v2/a/tags/list", {})),
            *(("/v2/a/manifests/v1", {}), (f"/v2/a/manifests/{digest}", {})),
            ("/v2/a/manifests/v1", {"If_None_Match": f'"{digest}"'}),
            *((f"/v2/a/blobs/{blob}", {}), (f"/v2/a/blobs/{ZEROS}", {})),
            *((f"/v2/a/blobs/{blob}", {"Range": each}) for each in ("bytes=0-1", "bytes=99-")),
            *((f"/v2/a/referrers/{digest}", {}), (upload, {}), ("/v2/a/blobs/uploads/", {})),
            *(("/nowhere", {}), ("/v2/A/tags/list", {}), ("/v2/a/manifests/none", {}), ("*", {})),
        ]
    )


def test_no_answer_is_without_what_keeps_a_browser_from_running_it(memory):
    answers = list(every_answer(memory))
    assert {answer.status for answer in answers} >= {200, 202, 204, 206, 304, 400, 404, 405, 416}
    for answer in answers:
        assert {name: answer.header(name) for name in SAFE_HEADERS} == SAFE_HEADERS


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * HEAD_BYTES + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x00\x05hello", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ],
)
def test_nor_is_one_to_what_never_became_a_request(memory, sent, status):
    connection = memory.connect()
    connection.send(sent)
    answer = connection.answer()
    assert answer.status == status
    assert {name: answer.header(name) for name in SAFE_HEADERS} == SAFE_HEADERS
    assert (answer.header("Content-Type"), answer.codes) == ("application/json", ["UNKNOWN"])
    assert answer.header("Date")


@pytest.mark.parametrize(
    "target", ["GET /v2/", "GET nowhere", "OPTIONS *", "GET *", "get /v2/", "GET /none"]
)
def test_no_answer_names_the_program_that_it_is_made_with(memory, target):
    connection = memory.connect()
    connection.send(f"{target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = connection.answer()
    assert answer.header("Server") in (None, "holm-registry")
    assert parsedate_to_datetime(answer.header("Date"))


def test_nor_is_one_to_a_connection_too_many(memory):
    site = StreamingSite(
        memory.site.resource, memory.clock, limits=ConnectionTimeouts(connections=0)
    )
    answer = parse(Connection(site).received())
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert {name: answer.header(name) for name in SAFE_HEADERS} == SAFE_HEADERS


def test_a_manifest_that_calls_itself_a_page_is_served_as_it_is_and_runs_nowhere(memory):
    for content in (b"{}", b"layer"):
        memory.push_blob("a", content)
    payload = image(b"{}", [b"layer"], mediaType="text/html", annotations={"a": SCRIPT})
    memory.push_manifest("a", "v1", payload)
    answer = memory.request("GET", "/v2/a/manifests/v1")
    assert (answer.body, answer.header("Content-Type")) == (payload, "text/html")
    assert {name: answer.header(name) for name in SAFE_HEADERS} == SAFE_HEADERS


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "text", "text/html, a/b"])
def test_what_calls_itself_by_no_media_type_is_refused(memory, media_type):
    for content in (b"{}", b"layer"):
        memory.push_blob("a", content)
    payload = image(b"{}", [b"layer"], mediaType=media_type)
    answer = memory.request("PUT", "/v2/a/manifests/v1", payload)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
    assert answer.json["errors"][0]["detail"] == {"mediaType": media_type}


def test_what_an_older_registry_took_is_served_as_something_harmless(memory):
    good = image(b"{}", [b"layer"])
    for content in (b"{}", b"layer"):
        memory.push_blob("a", content)
    digest = memory.push_manifest("a", "v1", good)
    path = f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
    memory.driver.put(path, good.replace(OCI_MANIFEST.encode(), b"text/html; x=y"))
    answer = Server(memory.driver).request("GET", "/v2/a/manifests/v1")
    assert (answer.status, answer.header("Content-Type")) == (200, OCI_MANIFEST)


def test_what_is_configured_takes_their_place():
    server = Server(headers={"content-security-policy": ["default-src 'self'"]})
    assert server.request("GET", "/v2/").header("Content-Security-Policy") == "default-src 'self'"
    server = Server(headers={"X-Content-Type-Options": []})
    assert server.request("GET", "/v2/").header("X-Content-Type-Options") is None


def test_an_answer_has_the_date_of_its_own_second(memory, monkeypatch):
    connection = memory.connect()
    for seconds in (1000.0, 1000.9, 1001.0, 5000.0):
        monkeypatch.setattr(request, "time", lambda seconds=seconds: seconds)
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        date = parsedate_to_datetime(connection.answer().header("Date"))
        assert date.timestamp() == int(seconds)
