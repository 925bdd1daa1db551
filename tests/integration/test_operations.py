"""Health and figures of servers that run, as probes and Prometheus ask for them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from ..waiting import wait_until
from .servers import BIN, CONFIG, ENVIRONMENT, holm


def debug_of(server) -> str:
    """Give the address of the debug server, which is said behind that of the registry."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = re.search(r"Debug server, listening on (\S+)", "".join(server.lines))
        if found:
            return found[1]
        time.sleep(0.01)
    raise AssertionError("".join(server.lines))


def ask(address: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def wait_for(status: int, read) -> bytes:
    """Ask until an answer has a status; the checks are made ten times a second."""
    deadline = time.monotonic() + 60
    while (found := read())[0] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found[1]


DEBUG = "http: {debug: {addr: '127.0.0.1:0', prometheus: {enabled: true}}}\n"


@pytest.fixture
def listening():
    """A port with somebody behind it, and one with nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_every_kind_of_check_and_the_way_back(tmp_path, listening):
    down = tmp_path / "down"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    health = {
        "storagedriver": {"enabled": True, "interval": "100ms", "threshold": 2},
        "file": [{"file": str(down), "interval": "100ms"}],
        "tcp": [
            {"addr": f"127.0.0.1:{listening}", "interval": "100ms"},
            {"addr": f"127.0.0.1:{nobody}", "interval": "1h", "threshold": 2},
        ],
        "http": [
            {"uri": f"http://127.0.0.1:{nobody}/", "interval": "1h", "threshold": 2},
        ],
    }
    config = f"{CONFIG}{DEBUG}health: {json.dumps(health)}\n"
    root = tmp_path / "root"
    with holm(root, config) as server:
        debug = debug_of(server)
        assert wait_for(200, lambda: ask(debug, "/debug/health")) == b"{}"
        down.touch()
        body = wait_for(503, lambda: ask(debug, "/debug/health"))
        assert json.loads(body) == {str(down): "file exists"}
        answer = server.request("GET", "/v2/")
        assert answer.status == 503
        assert answer.json["errors"][0]["message"] == "health check failed: file: file exists"
        assert server.request("GET", "/v2/_catalog").status == 200
        down.unlink()
        wait_for(200, lambda: ask(debug, "/debug/health"))
        assert server.request("GET", "/v2/").status == 200
    assert server.stop() in (0, -15)
    assert any("file exists" in line for line in server.lines)
    assert any("is healthy again" in line for line in server.lines)
    maintenance = root / "docker/registry/v2/_maintenance"
    assert not list(maintenance.glob("health-*"))


def test_a_store_that_is_lost_is_told_with_its_reason(tmp_path):
    root = tmp_path / "root"
    check = "{enabled: true, interval: 100ms, threshold: 1}"
    with holm(root, f"{CONFIG}health: {{storagedriver: {check}}}\n") as server:

        def base():
            answer = server.request("GET", "/v2/")
            return answer.status, answer.body

        assert server.request("GET", "/v2/").status == 200
        root.rename(tmp_path / "elsewhere")
        root.write_text("no folder")
        # What it finds depends on which moment it looks at: nothing, or no folder.
        assert b"health check failed: storage: No" in wait_for(503, base)
        root.unlink()
        (tmp_path / "elsewhere").rename(root)
        wait_for(200, base)


def test_prometheus_reads_figures_where_it_is_told_to(tmp_path):
    config = f"{CONFIG}{DEBUG.replace('true', 'true, path: /figures')}"
    with holm(tmp_path / "root", config) as server:
        assert server.request("GET", "/v2/_catalog").status == 200
        status, body = ask(debug_of(server), "/figures")
        assert status == 200
        text = body.decode()
        assert 'registry_http_requests_total{code="200",handler="catalog",method="get"} 1.0' in text
        for name in (
            "registry_storage_free_bytes",
            "registry_threads_waiting",
            "registry_event_loop_delay_seconds_count",
            'registry_maintenance_runs_total{task="collect"}',
            "process_resident_memory_bytes",
        ):
            assert f"\n{name} " in text
        assert ask(debug_of(server), "/metrics")[0] == 404
        assert ask(debug_of(server), "/v2/")[0] == 404
        assert server.request("GET", "/figures").status == 404


def wait_for_line(server, *texts: str) -> str:
    """Wait until a line of the log has these in it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in list(server.lines):
            if all(text in line for text in texts):
                return line
        time.sleep(0.01)
    raise AssertionError("".join(server.lines))


def test_a_hangup_takes_over_what_can_be_and_says_what_takes_a_restart(tmp_path):
    root, access = tmp_path / "root", tmp_path / "access"
    config = f"{CONFIG}log: {{level: info, formatter: json, fields: {{service: holm}}}}\n"
    with access.open("wb") as stream, holm(root, config, stdout=stream) as server:
        (started,) = [json.loads(line) for line in server.lines if "listening" in line]
        assert started["service"] == "holm"
        assert started["level"] == "info"
        assert "Holm Registry" in started["msg"]
        file = root.with_suffix(".yml")
        file.write_text("version: 0.1\nlog: {levle: debug}\n")
        os.kill(server.pid, signal.SIGHUP)
        assert json.loads(wait_for_line(server, "not reloaded", "did you mean"))["level"] == "error"
        file.write_text(
            f"{CONFIG}log: {{level: warn, accesslog: {{disabled: true}}}}\n"
            "catalog: {maxentries: 5}\n"
        )
        os.kill(server.pid, signal.SIGHUP)
        line = json.loads(wait_for_line(server, "a change takes a restart"))
        assert line["keys"] == "log.formatter, log.fields, catalog.maxentries"
        assert server.request("GET", "/v2/").status == 200
        file.write_text(config)
        os.kill(server.pid, signal.SIGHUP)
        wait_for_line(server, "configuration reloaded", "log.level")
        assert server.request("GET", "/v2/_catalog").status == 200
    logged = access.read_text()
    assert "/v2/_catalog" in logged
    assert '"GET /v2/ HTTP' not in logged


@pytest.mark.parametrize("plugin", ["holm-registry", "holm-ui"])
def test_a_log_file_that_was_moved_away_is_opened_again(tmp_path, plugin):
    log, old = tmp_path / "log", tmp_path / "old"
    options = {
        "holm-registry": ["--root", tmp_path / "root", "--config", tmp_path / "c.yml"],
        "holm-ui": ["--registry-url", "http://127.0.0.1:1"],
    }[plugin]
    (tmp_path / "c.yml").write_text(CONFIG)
    where = "--listen" if plugin == "holm-registry" else "--port"
    command = [BIN / "twistd", "--nodaemon", "--pidfile=", f"--logfile={log}", plugin, *options]
    process = subprocess.Popen(
        [*map(str, command), where, "127.0.0.1:0"], env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: log.exists() and "listening on" in log.read_text())
        log.rename(old)
        process.send_signal(signal.SIGHUP)
        wait_until(log.exists)
    finally:
        process.terminate()
        process.wait(60)
    assert "listening on" not in log.read_text()


def test_a_debug_port_that_is_taken_is_said(tmp_path, listening):
    from .test_service import TWISTD, refused

    file = tmp_path / "c.yml"
    file.write_text(f"{CONFIG}http: {{debug: {{addr: '127.0.0.1:{listening}'}}}}\n")
    words = [*TWISTD, "--config", file, "--root", tmp_path / "root", "--listen", "127.0.0.1:0"]
    assert "http.debug.addr: cannot listen on" in refused(*words)
