"""Two server processes on one volume, as during a rolling update, and clients of both at once."""

from __future__ import annotations

import json
import threading

import pytest

from holm_registry.oci.digest import Digest

from ..images import image
from .servers import CONFIG, holm

ROUNDS = 25

IMMUTABLE = f"{CONFIG}tags: {{immutable: ['v*']}}\nlog: {{accesslog: {{disabled: true}}}}\n"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("two") / "root"
    with holm(root, IMMUTABLE) as first, holm(root, IMMUTABLE) as second:
        yield first, second
        for server in (first, second):
            faults = [line for line in server.lines if "Traceback" in line or "failed" in line]
            assert not faults


def at_once(*calls):
    """Send requests at the same moment; give the answers."""
    together = threading.Barrier(len(calls))
    answers = [None] * len(calls)

    def call(number, function):
        together.wait()
        answers[number] = function()

    threads = [
        threading.Thread(target=call, args=(number, function))
        for number, function in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def push_blob(server, repository, content):
    path = f"/v2/{repository}/blobs/uploads/?digest={Digest.of(content)}"
    assert server.request("POST", path, content).status == 201


def put(server, repository, payload, *tags):
    query = "&".join(f"tag={tag}" for tag in tags)
    path = f"/v2/{repository}/manifests/{Digest.of(payload)}?{query}"
    return lambda: server.request("PUT", path, payload)


def test_an_upload_that_one_server_ends_takes_nothing_more_from_the_other(servers):
    first, second = servers
    for number in range(ROUNDS):
        content = b"acknowledged %d" % number
        digest = Digest.of(content)
        location = first.request("POST", "/v2/uploads/blobs/uploads/", b"").headers["Location"]
        assert first.request("PATCH", location, content).status == 202
        end, more = at_once(
            lambda to=f"{location}?digest={digest}": first.request("PUT", to),
            lambda to=location: second.request("PATCH", to, b" and more"),
        )
        assert end.status in (201, 400, 429), end.body
        assert more.status in (202, 404, 429), more.body
        assert (end.status, more.status) != (201, 202), "added to what had ended"
        if end.status == 201:
            for server in servers:
                path = f"/v2/uploads/blobs/{digest}"
                assert server.request("GET", path).body == content


def test_of_two_pushes_that_want_one_immutable_tag_one_moves_all_its_tags(servers):
    for server in servers:
        push_blob(server, "tags", b"c")
    for number in range(ROUNDS):
        pushes = [
            (server, image(b"c", [], annotations={"n": f"{number} {name}"}), f"{name}{number}")
            for server, name in zip(servers, "ab", strict=True)
        ]
        answers = at_once(
            *(
                put(server, "tags", payload, other, f"v{number}")
                for server, payload, other in pushes
            )
        )
        assert sorted(answer.status for answer in answers) == [201, 403]
        for answer, (server, payload, other) in zip(answers, pushes, strict=True):
            found = server.request("HEAD", f"/v2/tags/manifests/{other}")
            assert found.status == (200 if answer.status == 201 else 404)
            if answer.status == 201:
                winner = server.request("GET", f"/v2/tags/manifests/v{number}")
                assert winner.body == payload


def test_what_one_server_pushes_while_the_other_deletes_it_is_whole_or_gone(servers):
    first, second = servers
    push_blob(first, "deleted", b"c")
    payload = image(b"c", [])
    digest = Digest.of(payload)
    for number in range(ROUNDS):
        tag = f"latest-{number}"
        assert put(first, "deleted", payload)().status == 201
        pushed, deleted = at_once(
            put(first, "deleted", payload, tag),
            lambda: second.request("DELETE", f"/v2/deleted/manifests/{digest}"),
        )
        assert pushed.status == 201, pushed.body
        assert deleted.status == 202, deleted.body
        statuses = {
            server.request("GET", f"/v2/deleted/manifests/{reference}").status
            for server in servers
            for reference in (tag, digest)
        }
        assert statuses in ({200}, {404})
        listed = json.loads(first.request("GET", "/v2/deleted/tags/list").body)["tags"]
        assert (tag in listed) == (statuses == {200})
