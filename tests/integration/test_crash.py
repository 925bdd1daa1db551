"""The process is killed at random moments, many times: what it acknowledged is there and whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
from contextlib import suppress

import pytest

from ..images import image
from .servers import holm

KIB = 1024


class Pusher(threading.Thread):
    """
    Pushes images and uploads until the server dies, and remembers what was acknowledged.
    """

    def __init__(self, registry, number: int, turn: int) -> None:
        super().__init__()
        self._registry = registry
        self._random = random.Random(1000 * turn + number)
        self._name = f"repo{number % 2}"
        self._number = number
        self._turn = turn
        self.blobs: dict[tuple[str, str], int] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.tags: list[tuple[str, str, str]] = []
        self.uploads: dict[str, bytes] = {}

    def run(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            for image_number in range(1000):
                self._push_image(image_number)

    def _push_image(self, image_number: int) -> None:
        contents = [
            f"{self._turn}.{self._number}.{image_number}".encode(),
            self._random.randbytes(self._random.choice([10, 70 * KIB, 900 * KIB])),
        ]
        for content in contents:
            self._push_blob(content)
        payload = image(contents[0], contents[1:])
        digest = f"sha256:{hashlib.sha256(payload).hexdigest()}"
        tag = f"t{self._turn}-{self._number}"
        answer = self._registry.request("PUT", f"/v2/{self._name}/manifests/{tag}", payload)
        assert answer.status == 201, answer.body
        self.manifests[self._name, digest] = payload
        self.tags.append((self._name, tag, digest))

    def _push_blob(self, content: bytes) -> None:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        location = self._registry.request("POST", f"/v2/{self._name}/blobs/uploads/").headers[
            "Location"
        ]
        self.uploads[location] = content
        half = len(content) // 2
        for start, stop in ((0, half), (half, len(content))):
            if start < stop:
                answer = self._registry.request(
                    "PATCH", location, content[start:stop], Content_Range=f"{start}-{stop - 1}"
                )
                assert answer.status == 202, answer.body
        answer = self._registry.request("PUT", f"{location}?digest={digest}")
        assert answer.status == 201, answer.body
        del self.uploads[location]
        self.blobs[self._name, digest] = len(content)


def check(registry, pushers) -> None:
    for pusher in pushers:
        for name, digest in pusher.blobs:
            answer = registry.request("GET", f"/v2/{name}/blobs/{digest}")
            assert answer.status == 200, (name, digest)
            assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == digest
        for (name, digest), payload in pusher.manifests.items():
            assert registry.request("GET", f"/v2/{name}/manifests/{digest}").body == payload
        latest = {(name, tag): digest for name, tag, digest in pusher.tags}
        for (name, tag), digest in latest.items():
            check_tag(registry, pusher, name, tag, digest)
        for location, content in pusher.uploads.items():
            resume(registry, location, content)


def check_tag(registry, pusher, name, tag, digest) -> None:
    """A tag is where it was acknowledged to be, or further: where the last request moved it."""
    answer = registry.request("GET", f"/v2/{name}/manifests/{tag}")
    assert answer.status == 200, (name, tag)
    if answer.headers["Docker-Content-Digest"] != digest:
        assert (name, answer.headers["Docker-Content-Digest"]) not in pusher.manifests
    for part in [json.loads(answer.body)["config"], *json.loads(answer.body)["layers"]]:
        assert registry.request("HEAD", f"/v2/{name}/blobs/{part['digest']}").status == 200


def resume(registry, location: str, content: bytes) -> None:
    """An unfinished upload goes on from where it says it is, or is cleanly unknown."""
    status = registry.request("GET", location)
    if status.status == 404:
        assert status.json["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"
        return
    assert status.status == 204
    held = int(status.headers["Range"].split("-")[1])
    held = held + 1 if held else 0
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if held < len(content):
        answer = registry.request(
            "PATCH", location, content[held:], Content_Range=f"{held}-{len(content) - 1}"
        )
        if answer.status == 416:
            # A single byte reads as none.
            answer = registry.request("PATCH", location, content[held + 1 :])
        assert answer.status == 202, answer.body
    assert registry.request("PUT", f"{location}?digest={digest}").status == 201


@pytest.mark.parametrize("seed", [11])
def test_kill_nine_loses_nothing_acknowledged(tmp_path, request, seed):
    turns = 200 if request.config.getoption("--stress") else 12
    moments = random.Random(seed)
    everything = []
    for turn in range(turns):
        with holm(tmp_path / "root") as registry:
            check(registry, everything[-8:])
            pushers = [Pusher(registry, number, turn) for number in range(4)]
            for pusher in pushers:
                pusher.start()
            # Between the first request and well into the pushes; the timer is the test's subject.
            killer = threading.Timer(moments.uniform(0.01, 0.8), registry.kill)
            killer.start()
            for thread in [killer, *pushers]:
                thread.join()
        everything += pushers
    assert sum(len(pusher.tags) for pusher in everything) > 20, "something was pushed"
    with holm(tmp_path / "root") as registry:
        check(registry, everything)
        listed = registry.request("GET", "/v2/_catalog").json["repositories"]
        assert set(listed) == {"repo0", "repo1"}
        for name in listed:
            for tag in registry.request("GET", f"/v2/{name}/tags/list").json["tags"]:
                assert registry.request("GET", f"/v2/{name}/manifests/{tag}").status == 200
