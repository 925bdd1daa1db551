"""
What one process keeps in memory, whatever its clients do: 160 MiB at the most, 200 when all of it
comes at once. A container of 256 MiB has room for the files' pages and the kernel's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from contextlib import ExitStack
from functools import partial

import pytest

from holm_registry.oci.media_types import OCI_MANIFEST

from .servers import CONFIG, holm
from .test_sockets import MIB, connect, noise, push

#: The largest manifest, in bytes.
LARGE = 4 * MIB
QUIET = f"{CONFIG}log: {{accesslog: {{disabled: true}}}}\n"


@pytest.fixture
def registry(tmp_path):
    with holm(tmp_path / "root", QUIET) as process:
        process.root = tmp_path / "root"
        yield process
        assert not any("Traceback" in line for line in process.lines)


def manifest(registry, **fields) -> bytes:
    """Write an image with a config that is there."""
    config = noise(10, 1)
    descriptor = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": push(registry, config),
        "size": len(config),
    }
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor,
            "layers": [],
            **fields,
        }
    ).encode()


def padded(registry, number: int = 0, size: int = LARGE) -> bytes:
    """Write a manifest as large as it may be."""
    short = manifest(registry, annotations={"padding": "", "number": str(number)})
    return short.replace(b'"padding": ""', b'"padding": "%b"' % (b"x" * (size - len(short))))


def at_once(count: int, act) -> list:
    """Do something in so many threads; give what came of it."""
    results = []
    threads = [
        threading.Thread(target=lambda number=number: results.append(act(number)))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def push_manifests_in_tiny_chunks(registry, stack) -> None:
    size = 2 * MIB
    payload = padded(registry, size=size)
    tiny = b"".join(b"2\r\n%b\r\n" % payload[at : at + 2] for at in range(0, size, 2))

    def act(number):
        with connect(registry) as client:
            head = f"PUT /v2/a/manifests/t{number} HTTP/1.1\r\nHost: x\r\n"
            client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            client.sendall(tiny + b"0\r\n\r\n")
            return client.recv(12)

    assert at_once(8, act) == [b"HTTP/1.1 201"] * 8


def push_large_manifests(registry, stack) -> None:
    payloads = [padded(registry, number) for number in range(12)]

    def act(number):
        return registry.request("PUT", f"/v2/a/manifests/l{number}", payloads[number]).status

    assert at_once(12, act) == [201] * 12


def push_manifests_that_would_become_much(registry, stack) -> None:
    texts = {
        "lists": b'"annotations":{"a":[%b[]]}' % (b"[]," * (LARGE // 3 - 500)),
        "names": b'"annotations":{%b"z":""}' % b"".join(b'"%x":"",' % n for n in range(380_000)),
        "addresses": b'"layers":[{"digest":"","size":1,"urls":[%b""]}]'
        % (b'"a",' * (LARGE // 4 - 500)),
        "depths": b'"x":[%b%b%b]' % (b"[]," * (LARGE // 3 - 900), b"[" * 1000, b"]" * 1000),
    }
    whole = manifest(registry)
    for text in texts.values():
        payload = whole[:-1] + b"," + text + b"}"
        assert len(payload) <= LARGE
        request = partial(registry.request, "PUT", "/v2/a/manifests/m", payload)
        statuses = [answer.status for answer in at_once(4, lambda _, act=request: act())]
        assert statuses == [400] * 4


def leave_large_manifests_unread(registry, stack) -> None:
    digests = []
    for number in range(20):
        answer = registry.request("PUT", "/v2/a/manifests/unread", padded(registry, number))
        digests.append(answer.headers["Docker-Content-Digest"])
    for number in range(100):
        client = stack.enter_context(connect(registry))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        path = f"/v2/a/manifests/{digests[number % 20]}"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for digest in digests[:3]:
        content = registry.request("GET", f"/v2/a/manifests/{digest}").body
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest


def leave_lists_unread(registry, stack) -> None:
    # As they lie on the disk: to push so many takes longer than all the rest.
    tags = f"{registry.root}/docker/registry/v2/repositories/a/_manifests/tags"
    for number in range(3000):
        os.makedirs(f"{tags}/{'a' * 100}{number}/current")
    for _ in range(100):
        client = stack.enter_context(connect(registry))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /v2/a/tags/list HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(registry.request("GET", "/v2/a/tags/list").json["tags"]) >= 3000


def upload_from_many(registry, stack) -> None:
    """250 uploads that have begun, and bring more than any buffer takes, from one address."""
    block = noise(MIB, 2)
    locations = [
        registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"] for _ in range(250)
    ]

    def act(number):
        with connect(registry) as client:
            head = f"PATCH {locations[number]} HTTP/1.1\r\nHost: x\r\n"
            client.sendall(f"{head}Content-Length: {2 * MIB}\r\n\r\n".encode())
            for _ in range(2):
                client.sendall(block)
            return client.recv(12)

    assert at_once(250, act) == [b"HTTP/1.1 202"] * 250


ATTACKS = [
    push_manifests_in_tiny_chunks,
    push_large_manifests,
    push_manifests_that_would_become_much,
    leave_large_manifests_unread,
    leave_lists_unread,
    upload_from_many,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_memory_has_its_bound(registry, attack):
    with ExitStack() as stack:
        attack(registry, stack)
        peak = registry.memory_bytes("VmHWM")
    assert peak <= 160 * MIB, f"{peak / MIB:.0f} MiB"


def test_memory_has_its_bound_when_all_of_it_comes_at_once(registry):
    with ExitStack() as stack:
        failures = []

        def act(number):
            try:
                ATTACKS[number](registry, stack)
            except AssertionError as problem:
                failures.append(problem)

        at_once(len(ATTACKS), act)
        peak = registry.memory_bytes("VmHWM")
        assert not failures
    assert peak <= 200 * MIB, f"{peak / MIB:.0f} MiB"
