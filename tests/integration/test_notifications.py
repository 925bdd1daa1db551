"""Events on their way to endpoints that take them, fail, or hang."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest

from holm_registry.oci.digest import Digest

from ..images import image
from ..waiting import wait_until
from .servers import CONFIG, holm, registry2
from .test_garbage_collect import A, B, push

EVENTS = "docker/registry/v2/_maintenance/events"


class Endpoint:
    """A web server that takes events as it is told to."""

    def __init__(self):
        self.events: list[dict] = []
        self.headers: list[dict] = []
        self.status = 200
        self.goes_on = threading.Event()
        self.goes_on.set()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.goes_on.wait(120)
                if endpoint.status < 400:
                    endpoint.headers.append(dict(self.headers))
                    endpoint.events += json.loads(body)["events"]
                try:
                    self.send_response(endpoint.status)
                    self.end_headers()
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count: int) -> list[dict]:
        """Wait for so many events; one may come twice, and has the same id then."""
        deadline = time.monotonic() + 60
        while len(found := {each["id"]: each for each in list(self.events)}) < count:
            assert time.monotonic() < deadline, self.events
            time.sleep(0.01)
        return list(found.values())


@pytest.fixture
def endpoint():
    found = Endpoint()
    yield found
    found.goes_on.set()
    found.server.shutdown()
    found.server.server_close()


def config(endpoint, **more) -> str:
    told = {"name": "alice", "url": endpoint.url, "timeout": "500ms", "backoff": "50ms", **more}
    return f"{CONFIG}notifications: {{endpoints: {json.dumps([told])}}}\n"


def live(server):
    """Do something of everything that both registries tell of."""
    push(server, "a", "v1", A, b"c", b"1")
    digest = Digest.of(b"c")
    server.request("POST", f"/v2/b/blobs/uploads/?mount={digest}&from=a")
    server.request("GET", "/v2/a/manifests/v1", Accept="application/vnd.oci.image.manifest.v1+json")
    server.request("GET", f"/v2/a/blobs/{digest}")
    server.request("DELETE", f"/v2/a/manifests/{Digest.of(A)}")


def shape(events):
    """Give what of events does not depend on who, when and where, in an order of its own."""
    return sorted(
        json.dumps(
            [
                each["action"],
                {name: value for name, value in each["target"].items() if name != "url"},
                sorted(each),
                each["request"]["method"],
            ],
            sort_keys=True,
        )
        for each in events
    )


def test_the_same_requests_are_told_as_registry2_tells_them(tmp_path, endpoint):
    with holm(
        tmp_path / "ours", config(endpoint, headers={"Authorization": ["Bearer x"]})
    ) as server:
        live(server)
        ours = endpoint.wait_for(7)
        assert endpoint.headers[0]["Authorization"] == "Bearer x"
        assert endpoint.headers[0]["Content-Type"].endswith("events.v1+json")
        assert not any("Bearer x" in line for line in server.lines)
    endpoint.events.clear()
    more = config(endpoint).removeprefix(CONFIG)
    with registry2(tmp_path / "theirs", more) as server:
        live(server)
        theirs = endpoint.wait_for(8)
    # It tells of the tag that goes with a manifest as well, in an event of its own, and after that
    # of what it had before.
    expected = [
        each for each in theirs if not (each["action"] == "delete" and "tag" in each["target"])
    ]
    assert shape(ours) == shape(expected)
    for event in ours:
        if "url" in event["target"]:
            assert event["target"]["url"].startswith("http://127.0.0.1:")


def test_an_endpoint_that_hangs_slows_no_push_and_a_restart_loses_nothing(tmp_path, endpoint):
    root = tmp_path / "root"
    endpoint.goes_on.clear()
    pushed = []
    with holm(root, config(endpoint)) as server:
        for number in range(20):
            payload = image(b"c", [b"1"], annotations={"n": str(number)})
            push(server, "a", f"v{number}", payload, *((b"c", b"1") if not number else ()))
            pushed.append(str(Digest.of(payload)))
        assert not endpoint.events
        server.stop()
    endpoint.goes_on.set()
    endpoint.events.clear()
    with holm(root, config(endpoint)):
        events = endpoint.wait_for(22)
    told = [each["target"]["digest"] for each in events if "tag" in each["target"]]
    assert told == pushed


def test_a_server_that_is_killed_has_told_or_kept_what_was_acknowledged(tmp_path, endpoint):
    root = tmp_path / "root"
    endpoint.status = 503
    with holm(root, config(endpoint)) as server:
        push(server, "a", "v1", A, b"c", b"1")
        push(server, "a", "v2", B, b"2")
        server.kill()
    endpoint.status = 200
    with holm(root, config(endpoint)):
        events = endpoint.wait_for(5)
    tags = [each["target"]["tag"] for each in events if "tag" in each["target"]]
    assert tags == ["v1", "v2"]


def test_what_is_refused_for_good_is_kept_to_be_looked_at_and_counted(tmp_path, endpoint):
    from .test_operations import DEBUG, ask, debug_of

    root = tmp_path / "root"
    endpoint.status = 400
    settings = config(endpoint, backoff="1ms", threshold=1000, ignore={"actions": ["pull"]})
    with holm(root, f"{settings}{DEBUG}") as server:
        push(server, "a", "v1", A, b"c", b"1")
        dead = root / EVENTS / "0/alice/dead.jsonl"
        wait_until(lambda: dead.exists() and len(dead.read_text().splitlines()) >= 3)
        body = ask(debug_of(server), "/metrics")[1].decode()
        for line in (
            'registry_notifications_dead_letters_total{endpoint="alice"} 3.0',
            'registry_notifications_pending_total{endpoint="alice"} 0.0',
            'registry_notifications_status_total{code="400",endpoint="alice"} 30.0',
            'registry_notifications_events_total{endpoint="alice",type="Failures"} 30.0',
        ):
            assert line in body
    assert [json.loads(line)["action"] for line in dead.read_text().splitlines()] == ["push"] * 3
