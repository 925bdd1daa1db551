"""An error says nothing of the answer that it took the place of, on any route, however late."""

from __future__ import annotations

from functools import wraps

import pytest

from holm_registry.http.default_headers import SAFE_HEADERS
from holm_registry.oci.digest import Digest
from holm_registry.storage.errors import NotFound, StorageUnavailable
from holm_registry.storage.memory import MemoryDriver

from ..images import image, index
from .wire import HEADERS, Server

#: What an error may have, of any kind.
OF_ERRORS = {
    *("Content-Type", "Content-Length", "X-Request-Id", "Date", "Server", "Connection"),
    *("Docker-Distribution-Api-Version", "Retry-After", "Vary"),
    *HEADERS,
    *SAFE_HEADERS,
}

VERBS = (
    *("stat", "read", "open", "put", "refresh", "delete", "delete_folder", "objects", "folders"),
    *("lock", "create_upload", "open_upload", "free_bytes"),
)


class Unsteady(MemoryDriver):
    """A store that fails once, at the time it was told."""

    calls_left = -1
    problem = Exception

    def _count(self):
        self.calls_left -= 1
        if self.calls_left == -1:
            raise self.problem("out of order")


def _counted(verb):
    real = getattr(MemoryDriver, verb)

    @wraps(real)
    def run(self, *args, **kwargs):
        self._count()
        return real(self, *args, **kwargs)

    return run


for each in VERBS:
    setattr(Unsteady, each, _counted(each))

BLOB = str(Digest.of(b"layer"))
IMAGE = image(b"{}", [b"layer"])
LIST = index([IMAGE], media_type="application/vnd.docker.distribution.manifest.list.v2+json")

ROUTES = [
    ("GET", "/v2/_catalog?n=1", {}),
    ("GET", "/v2/a/tags/list?n=1", {}),
    ("GET", "/v2/a/manifests/v1", {}),
    ("GET", f"/v2/a/manifests/{Digest.of(IMAGE)}", {}),
    ("GET", "/v2/a/manifests/list", {"Accept": "application/json"}),
    ("PUT", "/v2/a/manifests/v2?tag=v3", {}),
    ("DELETE", "/v2/a/manifests/v1", {}),
    ("DELETE", f"/v2/a/manifests/{Digest.of(IMAGE)}", {}),
    ("GET", f"/v2/a/blobs/{BLOB}", {}),
    ("GET", f"/v2/a/blobs/{BLOB}", {"Range": "bytes=0-1"}),
    ("GET", f"/v2/a/blobs/{BLOB}", {"Range": "bytes=0-1,3-3"}),
    ("DELETE", f"/v2/a/blobs/{BLOB}", {}),
    ("GET", f"/v2/a/referrers/{Digest.of(IMAGE)}?artifactType=a/b", {}),
    ("POST", "/v2/a/blobs/uploads/", {}),
    ("POST", f"/v2/b/blobs/uploads/?mount={BLOB}&from=a", {}),
    ("POST", f"/v2/b/blobs/uploads/?digest={Digest.of(IMAGE)}", {}),
    ("GET", "{upload}", {}),
    ("PATCH", "{upload}", {}),
    ("PUT", f"{{upload}}?digest={Digest.of(IMAGE)}", {}),
    ("DELETE", "{upload}", {}),
]

#: Made anew each time: one that was raised keeps all that it went through.
PROBLEMS = [NotFound, StorageUnavailable, ZeroDivisionError]


def filled() -> Server:
    server = Server(Unsteady())
    server.push_image("a", "v1", b"{}", [b"layer"])
    server.push_manifest("a", "list", LIST)
    return server


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_error_starts_from_clean_headers(problem, logged_failures):
    """Each route, failing at the first thing that it asks of the store, the second, and so on."""
    for route in ROUTES:
        server, failing = filled(), 0
        while (answer := fail(server, failing, problem, route)) is not None:
            failing += 1
            assert failing < 1000, "it asks the store without end"
            if answer.status >= 400:
                check(answer)
            if answer.status < 400 or route[0] != "GET":
                server = filled()
        assert failing > 0, "nothing was asked of the store"
    logged_failures.clear()


def fail(server, failing, problem, route):
    """Send a request while the store fails at its nth call; None if there were not so many."""
    method, path, headers = route
    address = path.format(upload=server.start_upload("a")) if "{" in path else path
    body = IMAGE if method in ("PUT", "PATCH") or "?digest" in path else None
    # Another server on the same store: nothing is in its memory yet.
    fresh = Server(server.driver)
    server.driver.problem, server.driver.calls_left = problem, failing
    answer = fresh.request(method, address, body, **headers)
    failed = server.driver.calls_left < 0
    server.driver.calls_left = -1
    return answer if failed else None


def check(answer):
    assert {name.decode() for name, _ in answer.headers.getAllRawHeaders()} <= OF_ERRORS
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.codes


@pytest.mark.parametrize("range_", ["bytes=99-"])
def test_a_range_that_cannot_be_had_is_told_with_the_size_and_nothing_else(memory, range_):
    memory.push_blob("a", b"layer")
    answer = memory.request("GET", f"/v2/a/blobs/{BLOB}", Range=range_)
    assert (answer.status, answer.header("Content-Range")) == (416, "bytes */5")
    names = {name.decode() for name, _ in answer.headers.getAllRawHeaders()}
    assert names <= OF_ERRORS | {"Content-Range"}
