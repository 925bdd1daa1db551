"""How large things may be, how many, and how much repositories may hold."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from twisted.internet.task import Clock

from holm_registry.content.limits import ContentLimits
from holm_registry.content.quotas import Quotas
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.oci.digest import Digest
from holm_registry.server.quota_usage import INTERVAL_SECONDS, UsageCounter, used_bytes
from holm_registry.storage.errors import StorageUnavailable
from holm_registry.storage.memory import MemoryDriver
from holm_registry.threads import ImmediateThreads

from ..images import image
from .wire import Server, head

MIB = 1024 * 1024


def refused(answer, status, code):
    assert (answer.status, answer.codes) == (status, [code]), answer
    return answer.json["errors"][0]["message"]


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "chunked"])
def test_a_blob_may_be_so_large(declares):
    server = Server(bounds=ContentLimits(blob_bytes=10))
    server.push_blob("a", b"x" * 10)
    location = server.start_upload("a")
    assert server.request("PATCH", location, b"x" * 5).status == 202
    if declares:
        answer = server.request("PATCH", location, b"x" * 6)
        assert server.request("GET", location).header("Range") == "0-4", "what was there stays"
    else:
        connection = server.connect()
        connection.send(head("PATCH", location, {"Transfer-Encoding": "chunked"}, None))
        connection.send(b"6\r\nxxxxxx\r\n")
        answer = connection.answer()
        assert server.request("GET", location).status == 404, "no blob could come of it"
    assert refused(answer, 413, "SIZE_INVALID") == "a blob may have 10 B at the most"
    server.hang_up()


def test_a_blob_that_is_too_large_is_refused_before_it_was_sent():
    server = Server(bounds=ContentLimits(blob_bytes=10))
    connection = server.connect()
    expect = {"Expect": "100-continue"}
    connection.send(head("PATCH", server.start_upload("a"), expect, 11))
    assert refused(connection.answer(), 413, "SIZE_INVALID")
    server.hang_up()


def test_a_whole_blob_that_is_refused_leaves_no_upload_behind():
    server = Server(bounds=ContentLimits(blob_bytes=10, uploads=5))
    for _ in range(6):
        assert post(server, "a", b"x" * 11).status == 413
    assert not server.driver.folders("docker/registry/v2/repositories/a/_uploads")
    server.hang_up()


def test_a_manifest_may_be_so_large_and_name_so_much():
    server = Server(bounds=ContentLimits(manifest_parts=3), settings={"max_manifest_bytes": 1000})
    server.push_image("a", "v1", b"c", [b"1", b"2"])
    server.push_blob("a", b"3")
    answer = server.request("PUT", "/v2/a/manifests/v2", image(b"c", [b"1", b"2", b"3"]))
    assert refused(answer, 400, "MANIFEST_INVALID") == (
        "a manifest may name 3 blobs and manifests at the most, and not 4"
    )
    long = image(b"c", [b"1"], annotations={"x": "y" * 1000})
    answer = server.request("PUT", "/v2/a/manifests/v2", long)
    assert refused(answer, 413, "SIZE_INVALID") == "manifest larger than 1000 bytes"
    server.hang_up()


def test_so_many_uploads_may_be_in_progress(monkeypatch):
    server = Server(bounds=ContentLimits(uploads=3))
    begun = [server.start_upload(name) for name in ("a", "b", "b")]
    start = ("POST", "/v2/c/blobs/uploads/")
    answer = server.request(*start)
    refused(answer, 429, "TOOMANYREQUESTS")
    assert answer.header("Retry-After") == "60"
    assert server.request("DELETE", begun[0]).status == 204
    assert server.request(*start).status == 202
    assert server.request(*start).status == 429
    digest = Digest.of(b"")
    assert server.request("PUT", f"{begun[1]}?digest={digest}", b"").status == 201
    assert server.request(*start).status == 202
    # What another process has thrown away gives way, as what is empty for long does.
    server.driver.delete_folder("docker/registry/v2/repositories/b/_uploads")
    answer = server.request(*start)
    message = "3 uploads are in progress, which is the limit; 3 of them are yours"
    assert refused(answer, 429, "TOOMANYREQUESTS") == message
    now = server.registry.sessions._clock()
    monkeypatch.setattr(server.registry.sessions, "_clock", lambda: now + 61.0)
    assert server.request(*start).status == 202
    server.hang_up()


def test_an_address_that_has_begun_all_uploads_there_may_be_keeps_no_other_out():
    server = Server(
        bounds=ContentLimits(uploads=3), proxies=TrustedProxies([ip_network("192.168.0.0/16")])
    )

    def begin(address):
        return server.request("POST", "/v2/a/blobs/uploads/", X_Forwarded_For=address)

    left = [begin(f"2001:db8::{host}").header("Location") for host in (1, 2, 3)]
    assert begin("2001:db8::4").status == 429, "of one network all are one client"
    assert begin("192.0.2.1").status == 202
    assert server.request("GET", left[0]).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert [server.request("GET", each).status for each in left[1:]] == [204, 204]
    server.hang_up()


class Nearly(MemoryDriver):
    """A store that is nearly full."""

    free = 100

    def free_bytes(self):
        return self.free


def test_a_disk_that_is_nearly_full_takes_no_more_and_serves():
    driver = Nearly()
    server = Server(driver, bounds=ContentLimits(free_bytes=100))
    driver.free = 200
    server.push_image("a", "v1", b"c", [b"1"])
    driver.free = 100
    location = server.start_upload("a")
    answer = server.request("PATCH", location, b"x")
    assert "the disk is nearly full: 100 B are left" in refused(answer, 503, "UNAVAILABLE")
    connection = server.connect()
    connection.send(head("PATCH", location, {"Transfer-Encoding": "chunked"}, None))
    connection.send(b"1\r\nx\r\n")
    # Docker does not say how much it sends.
    assert "nearly full" in refused(connection.answer(), 503, "UNAVAILABLE")
    assert server.request("GET", location).header("Range") == "0-0"
    driver.free = 99
    refused(server.request("POST", "/v2/a/blobs/uploads/"), 503, "UNAVAILABLE")
    assert server.request("GET", "/v2/a/manifests/v1").status == 200
    payload = image(b"c", [b"1"], annotations={"a": "b"})
    assert server.request("PUT", "/v2/a/manifests/v2", payload).status == 201, "what ends a push"
    assert server.request("DELETE", "/v2/a/manifests/v1").status == 202
    server.hang_up()


@pytest.fixture
def limited():
    found = Server(quotas=Quotas({"": 1000, "team/": 100}))
    yield found
    found.hang_up()


def post(server, repository, content):
    path = f"/v2/{repository}/blobs/uploads/?digest={Digest.of(content)}"
    return server.request("POST", path, content)


def test_a_quota_holds_for_what_begins_with_its_prefix(limited):
    assert post(limited, "team/a", b"x" * 60).status == 201
    answer = post(limited, "team/b", b"y" * 41)
    assert refused(answer, 403, "DENIED") == (
        "the quota of team/* is used up: 41 B are needed, and 40 B of 100 B are free"
    )
    assert answer.json["errors"][0]["detail"] == {
        "quota": "team/",
        "limit": 100,
        "free": 40,
        "wanted": 41,
    }
    assert post(limited, "team/b", b"y" * 40).status == 201
    refused(limited.request("POST", "/v2/team/c/blobs/uploads/"), 403, "DENIED")
    assert post(limited, "other", b"z" * 900).status == 201
    answer = post(limited, "other", b"w")
    assert refused(answer, 403, "DENIED") == (
        "the quota of all repositories is used up: 1 B are needed, and 0 B of 1000 B are free"
    )
    assert limited.quotas.used == {"": 1000, "team/": 100}


def test_a_quota_counts_what_comes_in_many_ways_and_what_goes(limited):
    blob = limited.push_blob("team/a", b"x" * 30)
    limited.push_blob("team/a", b"x" * 30)
    assert limited.quotas.used["team/"] == 30, "it was there"
    mount = f"/v2/team/b/blobs/uploads/?mount={blob}&from=team/a"
    assert limited.request("POST", mount).status == 201
    assert limited.quotas.used["team/"] == 60
    assert limited.request("POST", mount.replace("/b/", "/c/")).status == 201
    answer = limited.request("POST", mount.replace("/b/", "/d/"))
    assert refused(answer, 403, "DENIED")
    assert limited.request("DELETE", f"/v2/team/a/blobs/{blob}").status == 202
    assert limited.quotas.used["team/"] == 60
    payload = b'{"mediaType":"a/x"}'
    path = "/v2/team/b/manifests/v1"
    digest = limited.request("PUT", path, payload).header("Docker-Content-Digest")
    assert limited.request("PUT", path, payload).status == 201
    assert limited.quotas.used["team/"] == 60 + len(payload)
    answer = limited.request("PUT", path, b'{"mediaType":"a/x", "annotations":{}}')
    assert refused(answer, 403, "DENIED")
    assert limited.request("DELETE", f"/v2/team/b/manifests/{digest}").status == 202
    assert limited.quotas.used["team/"] == 60
    for name in ("team/a", "team/b", "team/c"):
        assert limited.quotas.held(name) == used_bytes(limited.driver, name)


def chunked(server, location, content):
    connection = server.connect()
    connection.send(head("PATCH", location, {"Transfer-Encoding": "chunked"}, None))
    connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
    return connection.answer()


def test_a_blob_too_many_leaves_nothing_behind(limited):
    """A client that does not say how much it sends; what came before it was too much is gone."""
    location = limited.start_upload("team/a")
    assert chunked(limited, location, b"x" * 60).status == 202
    assert limited.quotas.used["team/"] == 60, "what is parked counts"
    answer = chunked(limited, location, b"x" * 41)
    assert "40 B of 100 B are free" in refused(answer, 403, "DENIED")
    assert limited.request("GET", location).status == 404
    assert limited.quotas.used["team/"] == 0
    assert not limited.driver.objects("docker/registry/v2/blobs")
    assert not limited.driver.objects("docker/registry/v2/repositories")


def test_a_quota_bounds_what_is_parked_in_uploads(limited):
    """Many uploads begun, written to and left do not hold more than the quota."""
    locations = [limited.start_upload("team/a") for _ in range(10)]
    answers = [limited.request("PATCH", each, b"x" * 30) for each in locations]
    assert [each.status for each in answers] == [202] * 3 + [403] * 7
    held = limited.driver.objects("docker/registry/v2/repositories")
    assert sum(stat.size_bytes for path, stat in held if path.endswith("data")) == 90
    digest = Digest.of(b"x" * 30)
    assert limited.request("PUT", f"{locations[0]}?digest={digest}").status == 201
    assert limited.request("PUT", f"{locations[1]}?digest={digest}").status == 201
    assert limited.quotas.used["team/"] == 60, "the same blob counts once"
    assert limited.request("DELETE", locations[2]).status == 204
    assert limited.quotas.used["team/"] == 30


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "chunked"])
def test_what_a_quota_has_no_room_for_is_refused_before_it_was_sent(limited, declares):
    location, other = limited.start_upload("team/a"), limited.start_upload("team/a")
    assert limited.request("PATCH", other, b"x" * 100).status == 202
    connection = limited.connect()
    how = {"Expect": "100-continue"}
    if not declares:
        how["Transfer-Encoding"] = "chunked"
    connection.send(head("PATCH", location, how, 1))
    assert "0 B of 100 B are free" in refused(connection.answer(), 403, "DENIED")
    digest = Digest.of(b"x" * 100)
    connection = limited.connect()
    how = {"Transfer-Encoding": "chunked"}
    connection.send(head("PUT", f"{other}?digest={digest}", how, None) + b"0\r\n\r\n")
    assert connection.answer().status == 201, "what is here already has its room"


def test_a_warning_comes_before_the_end(limited):
    assert post(limited, "team/a", b"x" * 89).header("Warning") is None
    warned = post(limited, "team/a", b"yy")
    assert warned.header("Warning") == '299 - "91% of the quota of team/* are used: 100 B"'
    begun = limited.request("POST", "/v2/team/a/blobs/uploads/")
    assert begun.header("Warning") == warned.header("Warning")
    assert post(limited, "other", b"yy").header("Warning") is None


@pytest.fixture
def census(limited):
    clock = Clock()
    found = UsageCounter(clock, limited.driver, limited.quotas)
    found._threads = type(
        "Here", (ImmediateThreads,), {"start": lambda _: None, "stop": lambda _: None}
    )()
    found.clock = clock
    yield found
    if found.running:
        found.stopService()
    assert not clock.getDelayedCalls()


def test_what_was_there_is_counted_and_what_others_do_is_noticed(limited, census):
    elsewhere = Server(limited.driver)
    for name in ("team/a", "team/a/b", "other"):
        elsewhere.push_image(name, "v1", b"c", [b"x" * 20])
    each = used_bytes(limited.driver, "other")
    assert each == 21 + len(image(b"c", [b"x" * 20]))
    assert limited.quotas.used == {"": 0, "team/": 0}
    census.startService()
    assert limited.quotas.used == {"": 3 * each, "team/": 2 * each}
    limited.driver.delete_folder("docker/registry/v2/repositories/team/a/b")
    census.clock.advance(INTERVAL_SECONDS)
    assert limited.quotas.used == {"": 2 * each, "team/": each}
    limited.driver.delete_folder("docker/registry/v2/repositories/other")
    census.count()
    assert limited.quotas.used == {"": each, "team/": each}
    elsewhere.hang_up()


def test_a_count_that_fails_is_told_and_done_again(limited, census, monkeypatch, logged_failures):
    real = limited.driver.folders
    for problem in (StorageUnavailable("gone"), ValueError("a fault of ours")):

        def failing(_, problem=problem):
            raise problem

        monkeypatch.setattr(limited.driver, "folders", failing)
        if census.running:
            census.clock.advance(INTERVAL_SECONDS)
        else:
            census.startService()
        assert limited.quotas.used == {"": 0, "team/": 0}
    assert [each.value.args for each in logged_failures] == [("a fault of ours",)]
    logged_failures.clear()
    monkeypatch.setattr(limited.driver, "folders", real)
    elsewhere = Server(limited.driver)
    elsewhere.push_blob("team/a", b"x" * 20)
    census.clock.advance(INTERVAL_SECONDS)
    assert limited.quotas.used == {"": 20, "team/": 20}
    elsewhere.hang_up()
