"""How large things may be, how many, and how much repositories may hold."""

from __future__ import annotations

import threading

import pytest
from twisted.internet.task import Clock

from holm_registry.census import INTERVAL_SECONDS, Census, held_bytes
from holm_registry.content.capacity import Bounds
from holm_registry.content.quotas import Quotas
from holm_registry.oci.digest import Digest
from holm_registry.oci.errors import Denied
from holm_registry.storage.errors import StorageUnavailable
from holm_registry.storage.memory import Memory
from holm_registry.threads import NoThreads

from ..images import image
from .wire import Server, head

MIB = 1024 * 1024


def refused(answer, status, code):
    assert (answer.status, answer.codes) == (status, [code]), answer
    return answer.json["errors"][0]["message"]


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "chunked"])
def test_a_blob_may_be_so_large(declares):
    server = Server(bounds=Bounds(blob_bytes=10))
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
    server = Server(bounds=Bounds(blob_bytes=10))
    connection = server.connect()
    expect = {"Expect": "100-continue"}
    connection.send(head("PATCH", server.start_upload("a"), expect, 11))
    assert refused(connection.answer(), 413, "SIZE_INVALID")
    server.hang_up()


def test_a_whole_blob_that_is_refused_leaves_no_upload_behind():
    server = Server(bounds=Bounds(blob_bytes=10, uploads=5))
    for _ in range(6):
        assert post(server, "a", b"x" * 11).status == 413
    assert not server.driver.folders("docker/registry/v2/repositories/a/_uploads")
    server.hang_up()


def test_a_manifest_may_be_so_large_and_name_so_much():
    server = Server(bounds=Bounds(manifest_parts=3), settings={"max_manifest_bytes": 1000})
    server.push_image("a", "v1", b"c", [b"1", b"2"])
    server.push_blob("a", b"3")
    answer = server.request("PUT", "/v2/a/manifests/v2", image(b"c", [b"1", b"2", b"3"]))
    assert refused(answer, 400, "MANIFEST_INVALID") == (
        "a manifest may name 3 blobs at the most, and not 4"
    )
    long = image(b"c", [b"1"], annotations={"x": "y" * 1000})
    answer = server.request("PUT", "/v2/a/manifests/v2", long)
    assert refused(answer, 413, "SIZE_INVALID") == "manifest larger than 1000 bytes"
    server.hang_up()


def test_so_many_uploads_may_be_in_progress(monkeypatch):
    server = Server(bounds=Bounds(uploads=3))
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
    # What another process has thrown away counts no more, once somebody looks again.
    server.driver.delete_folder("docker/registry/v2/repositories/b/_uploads")
    assert server.request(*start).status == 429
    now = server.driver.seconds()
    monkeypatch.setattr(server.driver, "seconds", lambda: now + 61.0)
    assert server.request(*start).status == 202
    server.hang_up()


class Nearly(Memory):
    """A store that is nearly full."""

    free = 100

    def free_bytes(self):
        return self.free


def test_a_disk_that_is_nearly_full_takes_no_more_and_serves():
    driver = Nearly()
    server = Server(driver, bounds=Bounds(free_bytes=100))
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
    assert refused(answer, 403, "DENIED") == "the quota of team/* is used up: 100 B"
    assert post(limited, "team/b", b"y" * 40).status == 201
    refused(limited.request("POST", "/v2/team/c/blobs/uploads/"), 403, "DENIED")
    assert post(limited, "other", b"z" * 900).status == 201
    answer = post(limited, "other", b"w")
    assert refused(answer, 403, "DENIED") == "the quota of all repositories is used up: 1000 B"
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
    payload = b'{"mediaType":"x"}'
    path = "/v2/team/b/manifests/v1"
    digest = limited.request("PUT", path, payload).header("Docker-Content-Digest")
    assert limited.request("PUT", path, payload).status == 201
    assert limited.quotas.used["team/"] == 60 + len(payload)
    answer = limited.request("PUT", path, b'{"mediaType":"x", "annotations":{}}')
    assert refused(answer, 403, "DENIED")
    assert limited.request("DELETE", f"/v2/team/b/manifests/{digest}").status == 202
    assert limited.quotas.used["team/"] == 60
    for name in ("team/a", "team/b", "team/c"):
        assert limited.quotas._held[name] == held_bytes(limited.driver, name)


def test_a_blob_too_many_leaves_nothing_behind(limited):
    location = limited.start_upload("team/a")
    connection = limited.connect()
    connection.send(head("PATCH", location, {"Transfer-Encoding": "chunked"}, None))
    connection.send(b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n")
    assert connection.answer().status == 202
    digest = Digest.of(b"x" * 101)
    answer = limited.request("PUT", f"{location}?digest={digest}", b"")
    refused(answer, 403, "DENIED")
    assert limited.request("HEAD", f"/v2/team/a/blobs/{digest}").status == 404
    assert limited.request("GET", location).status == 404
    assert limited.quotas.used["team/"] == 0
    assert not limited.driver.objects("docker/registry/v2/blobs")


def test_a_warning_comes_before_the_end(limited):
    assert post(limited, "team/a", b"x" * 89).header("Warning") is None
    warned = post(limited, "team/a", b"yy")
    assert warned.header("Warning") == '299 - "91% of the quota of team/* are used: 100 B"'
    begun = limited.request("POST", "/v2/team/a/blobs/uploads/")
    assert begun.header("Warning") == warned.header("Warning")
    assert post(limited, "other", b"yy").header("Warning") is None


def test_pushes_at_once_do_not_go_beyond_a_quota_together():
    quotas = Quotas({"": 1000})
    together = threading.Barrier(8)
    done = []

    def push():
        together.wait()
        for _ in range(200):
            try:
                with quotas.taking("a", 7, lambda: False):
                    done.append(7)
            except Denied:
                done.append(0)

    threads = [threading.Thread(target=push) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == quotas.used[""] == 994


def test_what_fails_is_not_counted():
    quotas = Quotas({"": 10})
    with pytest.raises(OSError, match="full"), quotas.taking("a", 5, lambda: False):
        raise OSError("full")
    assert quotas.used == {"": 0}
    assert quotas.known() == []


def test_what_comes_while_it_is_counted_is_not_lost():
    quotas = Quotas({"": 1000})
    turns = []

    def measure():
        # Before the blob, and then with it.
        turns.append(len(turns))
        if len(turns) == 1:
            with quotas.taking("a", 7, lambda: False):
                pass
            return 100
        return 107

    quotas.count("a", measure)
    assert quotas.used == {"": 107}
    assert len(turns) == 2


@pytest.fixture
def census(limited):
    clock = Clock()
    found = Census(clock, limited.driver, limited.quotas)
    found._threads = type("Here", (NoThreads,), {"start": lambda _: None, "stop": lambda _: None})()
    found.clock = clock
    yield found
    if found.running:
        found.stopService()
    assert not clock.getDelayedCalls()


def test_what_was_there_is_counted_and_what_others_do_is_noticed(limited, census):
    elsewhere = Server(limited.driver)
    for name in ("team/a", "team/a/b", "other"):
        elsewhere.push_image(name, "v1", b"c", [b"x" * 20])
    each = held_bytes(limited.driver, "other")
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
