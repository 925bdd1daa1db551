"""What is counted, under registry:2's names, and what the debug server says."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from holm_registry.api.context import CacheStats
from holm_registry.api.route_names import route_name
from holm_registry.health.checks import Unhealthy
from holm_registry.health.monitor import HealthMonitor, ScheduledCheck
from holm_registry.http.site import StreamingSite
from holm_registry.oci.digest import Digest
from holm_registry.server.debug import DebugRoutes
from holm_registry.server.maintenance import MaintenanceScheduler, Task
from holm_registry.server.metrics import RegistryMetrics
from holm_registry.storage.memory import MemoryDriver
from holm_registry.threads import ImmediateThreads, PooledThreads

from .wire import Connection, Server, head


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def figures(clock):
    return RegistryMetrics(clock)


@pytest.fixture
def server(figures):
    tally = CacheStats()
    figures.show_memory(tally)
    figures.show_traffic()
    server = Server(driver=figures.metered(MemoryDriver(), "inmemory"), settings={"memory": tally})
    server.site.watcher = figures.watcher
    yield server
    server.hang_up()


def read(figures) -> dict[str, float]:
    """Read all figures as Prometheus would."""
    found = {}
    for family in text_string_to_metric_families(figures.expose().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("/", "base"),
        ("/v2/", "base"),
        ("/v2", "base"),
        ("/registry/v2/", "base"),
        ("/v2/_catalog", "catalog"),
        ("/v2/a/b/tags/list", "tags"),
        ("/v2/a/manifests/v1", "manifest"),
        ("/v2/blobs/manifests/uploads", "manifest"),
        ("/v2/a/blobs/sha256:00", "blob"),
        ("/v2/a/blobs/uploads", "blob_upload"),
        ("/v2/a/blobs/uploads/", "blob_upload"),
        ("/v2/a/blobs/uploads/123", "blob_upload_chunk"),
        ("/v2/a/referrers/sha256:00", "referrers"),
        ("/favicon.ico", "other"),
        ("/v2/%ff/x", "other"),
    ],
)
def test_requests_are_counted_by_what_answers_them(path, handler):
    assert route_name(path.encode()) == handler


def test_each_request_is_counted_once_with_its_bytes(server, figures):
    server.push_image("a", "v1", b"config", [b"layer" * 1000])
    server.request("GET", "/v2/a/manifests/v1")
    server.request("GET", "/v2/a/manifests/none")
    server.request("HEAD", f"/v2/a/blobs/{Digest.of(b'config')}")
    server.request("GET", f"/v2/a/blobs/{Digest.of(b'config')}")
    found = read(figures)
    assert found["registry_http_requests_total{code=200,handler=manifest,method=get}"] == 1
    assert found["registry_http_requests_total{code=404,handler=manifest,method=get}"] == 1
    assert found["registry_http_requests_total{code=201,handler=manifest,method=put}"] == 1
    assert found["registry_http_requests_total{code=201,handler=blob_upload,method=post}"] == 2
    assert (
        found["registry_http_request_duration_seconds_count{code=200,handler=blob,method=get}"] == 1
    )
    received = "registry_http_request_size_bytes_sum{code=201,handler=blob_upload,method=post}"
    assert found[received] == found["registry_upload_bytes_total"] == 5006
    sent = "registry_http_response_size_bytes_sum{code=200,handler=blob,method=get}"
    assert found[sent] == found["registry_download_bytes_total"] == 6
    in_flight = {name: value for name, value in found.items() if "in_flight" in name}
    assert len(in_flight) >= 3
    assert set(in_flight.values()) == {0}
    assert found["registry_storage_action_seconds_count{action=PutContent,driver=inmemory}"] > 0
    assert found["registry_storage_cache_requests_total"] == 4
    assert found["registry_storage_cache_total{type=Miss}"] == (
        4 - found["registry_storage_cache_hits_total"]
    )


def test_an_upload_is_in_flight_until_it_ends_or_its_client_leaves(server, figures):
    location = server.start_upload("a")
    connection = server.connect()
    connection.send(head("PATCH", location, {}, 100) + b"12345")
    assert read(figures)["registry_uploads_in_flight"] == 1
    connection.leave()
    found = read(figures)
    assert found["registry_uploads_in_flight"] == 0
    key = "{code=499,handler=blob_upload_chunk,method=patch}"
    assert found[f"registry_http_requests_total{key}"] == 1
    assert found[f"registry_http_request_size_bytes_sum{key}"] == 5


def test_what_clients_invent_makes_no_new_figures(server, figures):
    for method in ("FROB", "NICATE", "ONE", "TWO"):
        server.request(method, "/v2/")
    found = read(figures)
    counted = [name for name in found if "requests_total" in name and "method=other" in name]
    assert len(counted) == 1
    assert found[counted[0]] == 4


def test_maintenance_is_told_by_task(figures, clock):
    upkeep = MaintenanceScheduler(
        clock, [Task("collect", 1.0, "/", {}, last=12.0), Task("purge", 1.0, "/", {})]
    )
    account = upkeep.accounts["collect"]
    account.runs, account.failures, account.freed_bytes, account.problems = 3, 1, 1000, 2
    figures.show_upkeep(upkeep)
    found = read(figures)
    assert found["registry_maintenance_runs_total{task=collect}"] == 3
    assert found["registry_maintenance_failures_total{task=collect}"] == 1
    assert found["registry_maintenance_freed_bytes_total{task=collect}"] == 1000
    assert found["registry_maintenance_problems{task=collect}"] == 2
    assert found["registry_maintenance_last_success_timestamp_seconds{task=collect}"] == 12
    assert found["registry_maintenance_runs_total{task=purge}"] == 0


def test_the_event_loop_is_measured(figures, clock):
    figures.delay.startService()
    clock.advance(0.5)
    clock.advance(2.0)
    figures.delay.stopService()
    assert not clock.getDelayedCalls()
    found = read(figures)
    assert found["registry_event_loop_delay_seconds_count"] == 2
    assert found["registry_event_loop_delay_seconds_sum"] == 1.5


def test_threads_and_the_store(figures, tmp_path):
    from twisted.internet import reactor

    from holm_registry.storage.filesystem import FilesystemDriver

    figures.show_threads(PooledThreads(reactor, 2))
    figures.show_store(FilesystemDriver(str(tmp_path)))
    found = read(figures)
    assert found["registry_threads_busy"] == found["registry_threads_waiting"] == 0
    assert found["registry_storage_free_bytes"] > 0
    (tmp_path / "gone").mkdir()
    lost = RegistryMetrics(Clock())
    lost.show_store(FilesystemDriver(str(tmp_path / "nowhere")))
    assert "registry_storage_free_bytes" not in read(lost)


class Ill:
    name, kind = "/secret/path", "file"

    async def run(self):
        raise Unhealthy("file exists")


def ask(site, path):
    connection = Connection(site)
    connection.send(head("GET", path, {}, None))
    answer = connection.answer()
    connection.leave()
    return answer


def test_the_debug_server_tells_health_and_figures(figures, clock):
    health = HealthMonitor(clock, [])
    site = StreamingSite(
        DebugRoutes(health, ImmediateThreads(), figures, "/figures").resource(), clock
    )
    answer = ask(site, "/debug/health")
    assert (answer.status, answer.json) == (200, {})
    answer = ask(site, "/figures")
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("text/plain")
    assert b"process_resident_memory_bytes" in answer.body
    assert ask(site, "/metrics").status == 404
    health = HealthMonitor(clock, [ScheduledCheck(Ill(), 10.0)])
    health.startService()
    site = StreamingSite(DebugRoutes(health, ImmediateThreads()).resource(), clock)
    answer = ask(site, "/debug/health")
    assert (answer.status, answer.json) == (503, {"/secret/path": "file exists"})
    assert ask(site, "/metrics").status == 404
    health.stopService()


def test_a_fault_of_the_debug_server_is_logged_and_told_without_more(clock, logged_failures):
    class Broken:
        content_type = "text/plain"

        def expose(self):
            raise RuntimeError("secret")

    site = StreamingSite(
        DebugRoutes(HealthMonitor(clock, []), ImmediateThreads(), Broken()).resource(), clock
    )
    answer = ask(site, "/metrics")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_what_is_not_well_is_told_at_the_version_check_alone():
    troubles = []
    server = Server(settings={"troubles": lambda: troubles})
    server.push_image("a", "v1", b"c", [b"l"])
    assert server.request("GET", "/v2/").status == 200
    troubles.append("storage: No space left on device")
    answer = server.request("GET", "/v2/")
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
    assert answer.json["errors"][0]["message"] == (
        "health check failed: storage: No space left on device"
    )
    assert server.request("GET", "/v2/a/manifests/v1").status == 200
    assert server.request("GET", f"/v2/a/blobs/{Digest.of(b'l')}").status == 200
    server.hang_up()
