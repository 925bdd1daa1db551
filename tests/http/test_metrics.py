"""The metrics, under registry:2's names, and the debug server."""

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
from holm_registry.server.maintenance import MaintenanceScheduler, MaintenanceTask
from holm_registry.server.metrics import RegistryMetrics
from holm_registry.storage.memory import MemoryDriver
from holm_registry.threads import ImmediateThreads, PooledThreads

from .wire import Connection, Server, head


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    return RegistryMetrics(clock)


@pytest.fixture
def server(metrics):
    stats = CacheStats()
    metrics.register_cache(stats)
    metrics.register_traffic()
    server = Server(
        driver=metrics.timed_driver(MemoryDriver(), "inmemory"), settings={"memory": stats}
    )
    server.site.observer = metrics.requests
    yield server
    server.hang_up()


def scrape(metrics) -> dict[str, float]:
    """Read all metrics as Prometheus would."""
    values = {}
    for family in text_string_to_metric_families(metrics.expose().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values


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


def test_each_request_is_counted_once_with_its_bytes(server, metrics):
    server.push_image("a", "v1", b"config", [b"layer" * 1000])
    server.request("GET", "/v2/a/manifests/v1")
    server.request("GET", "/v2/a/manifests/none")
    server.request("HEAD", f"/v2/a/blobs/{Digest.of(b'config')}")
    server.request("GET", f"/v2/a/blobs/{Digest.of(b'config')}")
    values = scrape(metrics)
    assert values["registry_http_requests_total{code=200,handler=manifest,method=get}"] == 1
    assert values["registry_http_requests_total{code=404,handler=manifest,method=get}"] == 1
    assert values["registry_http_requests_total{code=201,handler=manifest,method=put}"] == 1
    assert values["registry_http_requests_total{code=201,handler=blob_upload,method=post}"] == 2
    assert (
        values["registry_http_request_duration_seconds_count{code=200,handler=blob,method=get}"]
        == 1
    )
    received = "registry_http_request_size_bytes_sum{code=201,handler=blob_upload,method=post}"
    assert values[received] == values["registry_upload_bytes_total"] == 5006
    sent = "registry_http_response_size_bytes_sum{code=200,handler=blob,method=get}"
    assert values[sent] == values["registry_download_bytes_total"] == 6
    in_flight = {name: value for name, value in values.items() if "in_flight" in name}
    assert len(in_flight) >= 3
    assert set(in_flight.values()) == {0}
    assert values["registry_storage_action_seconds_count{action=PutContent,driver=inmemory}"] > 0
    assert values["registry_storage_cache_requests_total"] == 4
    assert values["registry_storage_cache_total{type=Miss}"] == (
        4 - values["registry_storage_cache_hits_total"]
    )


def test_an_upload_is_in_flight_until_it_ends_or_its_client_leaves(server, metrics):
    location = server.start_upload("a")
    connection = server.connect()
    connection.send(head("PATCH", location, {}, 100) + b"12345")
    assert scrape(metrics)["registry_uploads_in_flight"] == 1
    connection.leave()
    values = scrape(metrics)
    assert values["registry_uploads_in_flight"] == 0
    key = "{code=499,handler=blob_upload_chunk,method=patch}"
    assert values[f"registry_http_requests_total{key}"] == 1
    assert values[f"registry_http_request_size_bytes_sum{key}"] == 5


def test_what_clients_invent_makes_no_new_figures(server, metrics):
    for method in ("FROB", "NICATE", "ONE", "TWO"):
        server.request(method, "/v2/")
    values = scrape(metrics)
    counted = [name for name in values if "requests_total" in name and "method=other" in name]
    assert len(counted) == 1
    assert values[counted[0]] == 4


def test_maintenance_is_told_by_task(metrics, clock):
    scheduler = MaintenanceScheduler(
        clock,
        [
            MaintenanceTask("collect", 1.0, "/", {}, last_success=12.0),
            MaintenanceTask("purge", 1.0, "/", {}),
        ],
    )
    task = scheduler.stats["collect"]
    task.runs, task.failures, task.freed_bytes, task.problems = 3, 1, 1000, 2
    metrics.register_maintenance(scheduler)
    values = scrape(metrics)
    assert values["registry_maintenance_runs_total{task=collect}"] == 3
    assert values["registry_maintenance_failures_total{task=collect}"] == 1
    assert values["registry_maintenance_freed_bytes_total{task=collect}"] == 1000
    assert values["registry_maintenance_problems{task=collect}"] == 2
    assert values["registry_maintenance_last_success_timestamp_seconds{task=collect}"] == 12
    assert values["registry_maintenance_runs_total{task=purge}"] == 0


def test_the_event_loop_is_measured(metrics, clock):
    metrics.reactor_latency.startService()
    clock.advance(0.5)
    clock.advance(2.0)
    metrics.reactor_latency.stopService()
    assert not clock.getDelayedCalls()
    values = scrape(metrics)
    assert values["registry_event_loop_delay_seconds_count"] == 2
    assert values["registry_event_loop_delay_seconds_sum"] == 1.5


def test_threads_and_the_store(metrics, tmp_path):
    from twisted.internet import reactor

    from holm_registry.storage.filesystem import FilesystemDriver

    metrics.register_threads(PooledThreads(reactor, 2))
    metrics.register_storage(FilesystemDriver(str(tmp_path)))
    values = scrape(metrics)
    assert values["registry_threads_busy"] == values["registry_threads_waiting"] == 0
    assert values["registry_storage_free_bytes"] > 0
    (tmp_path / "gone").mkdir()
    lost = RegistryMetrics(Clock())
    lost.register_storage(FilesystemDriver(str(tmp_path / "nowhere")))
    assert "registry_storage_free_bytes" not in scrape(lost)


class FailingCheck:
    name, kind = "/secret/path", "file"

    async def run(self):
        raise Unhealthy("file exists")


def ask(site, path):
    connection = Connection(site)
    connection.send(head("GET", path, {}, None))
    answer = connection.answer()
    connection.leave()
    return answer


def test_the_debug_server_tells_health_and_figures(metrics, clock):
    health = HealthMonitor(clock, [])
    site = StreamingSite(
        DebugRoutes(health, ImmediateThreads(), metrics, "/custom").resource(), clock
    )
    answer = ask(site, "/debug/health")
    assert (answer.status, answer.json) == (200, {})
    answer = ask(site, "/custom")
    assert answer.status == 200
    assert answer.header("Content-Type").startswith("text/plain")
    assert b"process_resident_memory_bytes" in answer.body
    assert ask(site, "/metrics").status == 404
    health = HealthMonitor(clock, [ScheduledCheck(FailingCheck(), 10.0)])
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
    server = Server(settings={"health_failures": lambda: troubles})
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
