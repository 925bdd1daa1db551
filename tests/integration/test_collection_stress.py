"""
Clients that push, share, skip and delete, while collections with the least grace run back to back
and are killed at random: what was accepted is whole, at once and as long as nobody deletes it.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import threading
import time

import pytest

from ..images import image
from .servers import ENVIRONMENT, holm

COLLECT = """
import sys
from holm_registry.gc.collection import Collection, CollectionOptions
from holm_registry.storage.errors import AlreadyLocked
from holm_registry.storage.filesystem import FilesystemDriver
count = 0
while True:
    try:
        plan = CollectionOptions(grace_seconds=0.0, untagged=count % 2 == 0)
        result = Collection(FilesystemDriver(sys.argv[1]), plan).run()
    except AlreadyLocked:
        continue
    count += 1
    print(result.blobs, result.manifests, result.layer_links, result.problems, flush=True)
"""

#: So many that most were not touched for some seconds, and are garbage now and then.
LAYERS = 150


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(number: int) -> bytes:
    return b"layer %d " % number * (number + 1)


class Client(threading.Thread):
    """Has a repository of its own, and content in common with the others."""

    def __init__(self, registry, number: int, deadline: float) -> None:
        super().__init__()
        self._registry = registry
        self._random = random.Random(number)
        self._name = f"team/app{number}"
        self._deadline = deadline
        self._number = number
        self.tags: dict[str, bytes] = {}
        self.pushes = self.skipped = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self._deadline:
                self._live()
            for tag in self.tags:
                self.pull(tag)
        except BaseException as problem:
            self.failure = problem

    def _live(self) -> None:
        action = self._random.random()
        if action < 0.6 or not self.tags:
            self._push()
        elif action < 0.7:
            tag = self._random.choice(sorted(self.tags))
            self._remove(tag)
            del self.tags[tag]
        elif action < 0.8:
            payload = self._random.choice(sorted(self.tags.values()))
            self._remove(digest_of(payload))
            self.tags = {tag: each for tag, each in self.tags.items() if each != payload}
        else:
            self.pull(self._random.choice(sorted(self.tags)))

    def _push(self) -> None:
        layers = [layer(self._random.randrange(LAYERS)) for _ in range(3)]
        config = b"config %d %d" % (self._number, self._random.randrange(20))
        for content in {config, *layers}:
            self._ensure(content)
        payload = image(config, layers)
        tag = f"v{self._random.randrange(6)}"
        answer = self._request("PUT", f"manifests/{tag}", payload)
        assert answer.status == 201, answer.body
        self.tags[tag] = payload
        self.pushes += 1
        self.pull(tag)

    def _ensure(self, content: bytes) -> None:
        digest = digest_of(content)
        if self._request("HEAD", f"blobs/{digest}").status == 200:
            self.skipped += 1
            return
        how = self._random.choice(["?mount=" + digest, ""])
        answer = self._request("POST", f"blobs/uploads/{how}")
        if answer.status == 202:
            location = answer.headers["Location"]
            answer = self._registry.request("PUT", f"{location}?digest={digest}", content)
        assert answer.status == 201, answer.body

    def _remove(self, reference: str) -> None:
        assert self._request("DELETE", f"manifests/{reference}").status == 202

    def pull(self, tag: str) -> None:
        """Check that a tag is where it was put, and whole."""
        answer = self._request("GET", f"manifests/{tag}")
        assert answer.status == 200, (self._name, tag, answer.body)
        assert answer.body == self.tags[tag]
        document = json.loads(answer.body)
        for part in [document["config"], *document["layers"]]:
            blob = self._request("GET", f"blobs/{part['digest']}")
            assert blob.status == 200, (self._name, tag, part, blob.body)
            assert digest_of(blob.body) == part["digest"]

    def _request(self, method: str, path: str, body=None):
        return self._registry.request(method, f"/v2/{self._name}/{path}", body)


class Collector(threading.Thread):
    """Runs collections until it is told to stop, and kills the process every now and then."""

    def __init__(self, root, deadline: float) -> None:
        super().__init__()
        self._root = str(root)
        self._deadline = deadline
        self._random = random.Random(0)
        self.lines: list[str] = []
        self.kills = 0

    def run(self) -> None:
        while time.monotonic() < self._deadline:
            with subprocess.Popen(
                [sys.executable, "-c", COLLECT, self._root],
                stdout=subprocess.PIPE,
                text=True,
                env=ENVIRONMENT,
            ) as process:
                timer = threading.Timer(self._random.uniform(0.3, 1.5), process.kill)
                timer.start()
                self.lines += process.stdout
                timer.cancel()
            self.kills += 1


@pytest.mark.parametrize("clients", [4])
def test_no_accepted_manifest_ever_lacks_a_blob(tmp_path, request, clients):
    seconds = 600 if request.config.getoption("--stress") else 25
    root = tmp_path / "root"
    config = (
        "version: 0.1\nlog: {accesslog: {disabled: true}}\nstorage:\n  filesystem: {}\n"
        "  maintenance:\n    collect: {enabled: false}\n"
    )
    with holm(root, config) as registry:
        deadline = time.monotonic() + seconds
        collector = Collector(root, deadline)
        threads = [Client(registry, number, deadline) for number in range(clients)]
        for thread in (collector, *threads):
            thread.start()
        for thread in (collector, *threads):
            thread.join()
        for client in threads:
            if client.failure is not None:
                raise client.failure
        # What has just been pulled is young; what can be seen of it by a new server is whole.
        removed = [line.split(maxsplit=3) for line in collector.lines if line.endswith("\n")]
        assert sum(int(blobs) for blobs, *_ in removed) > 20, "blobs went all the while"
        assert sum(int(links) for _, _, links, _ in removed) > 20
        assert {problems for *_, problems in removed} == {"[]\n"}, "nothing looks damaged"
        assert collector.kills > 5
        assert sum(client.skipped for client in threads) > 20
        assert all(client.pushes for client in threads)
    with holm(root, config) as registry:
        for client in threads:
            client._registry = registry
            for tag in client.tags:
                client.pull(tag)
