"""The commands as an operator runs them: how they start, what they say, how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from holm_registry.config.http import HttpSection

from ..waiting import wait_until
from .servers import BIN, CONFIG, ENVIRONMENT, Process, holm, require, run

TWISTD = [str(BIN / "twistd"), "--nodaemon", "holm-registry"]
REGISTRY = str(BIN / "registry")


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "config.yml"
    path.write_text(CONFIG)
    return path


def refused(*words, env=None, **options) -> str:
    """Run a command that must not start; give the one line it says why in."""
    done = subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**ENVIRONMENT, **(env or {})},
        **options,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("holm-registry: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_twistd_lists_the_plugin_and_its_options():
    assert "holm-registry" in run(BIN / "twistd", "--help")
    text = run(*TWISTD, "--help")
    for option in ("--config", "--listen", "--root", "--log-level"):
        assert option in text


def test_twistd_serves_and_ends_cleanly(tmp_path):
    registry = holm(tmp_path / "root")
    for method in ("GET", "OPTIONS"):
        answer = registry.request(method, "/v2/")
        assert answer.status == 200
        sent = {
            name: answer.headers.get_all(f"Access-Control-{name}")
            for name in ("Allow-Origin", "Allow-Methods", "Allow-Headers", "Expose-Headers")
        }
        assert sent == {
            "Allow-Origin": ["*"],
            "Allow-Methods": ["HEAD, GET, OPTIONS, DELETE"],
            "Allow-Headers": ["Authorization, Accept, Cache-Control"],
            "Expose-Headers": [", ".join(HttpSection().headers["Access-Control-Expose-Headers"])],
        }
    (greeting,) = [line for line in registry.lines if "listening on" in line]
    for said in ("Holm Registry", f"file {tmp_path}/root.yml", f"storage in {tmp_path}/root"):
        assert said in greeting
    assert registry.stop() in (0, -signal.SIGTERM), "twistd ends by the signal it got"
    assert not list(Path.cwd().glob("twistd.*")), "no files are left where it was started"


def test_registry_serve_runs_the_same_service(tmp_path, config):
    environment = {
        **ENVIRONMENT,
        "REGISTRY_HTTP_ADDR": "127.0.0.1:0",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
        "REGISTRY_PORT": "tcp://10.43.0.1:5000",
        "REGISTRY_UI_SERVICE_HOST": "10.43.0.2",
        "REGISTRY_URL": "http://elsewhere",
    }
    for words, extra in (([str(config)], {}), ([], {"REGISTRY_CONFIGURATION_PATH": str(config)})):
        command = [REGISTRY, "serve", *words]
        with Process(
            command, r"listening on (127\.0\.0\.1:\d+)", env={**environment, **extra}
        ) as registry:
            assert registry.request("POST", "/v2/a/blobs/uploads/").status == 202
            warnings = [line for line in registry.lines if "REGISTRY_" in line]
            assert len(warnings) == 1
            assert "REGISTRY_URL" in warnings[0]
    assert (tmp_path / "root/docker/registry/v2/repositories/a").is_dir()


def test_the_level_of_the_log_is_minded(tmp_path, config):
    path = tmp_path / "socket"
    environment = {
        **ENVIRONMENT,
        "REGISTRY_HTTP_NET": "unix",
        "REGISTRY_HTTP_ADDR": str(path),
        "REGISTRY_LOG_LEVEL": "error",
        "REGISTRY_STORAGE": "inmemory",
    }
    process = subprocess.Popen(
        [REGISTRY, "serve", str(config)],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: path.exists() or process.poll() is not None)
    process.terminate()
    assert process.communicate(timeout=30)[1] == b""


def test_a_port_that_is_taken_is_said_in_a_line(tmp_path, config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        for command in ([*TWISTD, "--config", config], [REGISTRY, "serve", config]):
            line = refused(
                *command,
                env={
                    "REGISTRY_HTTP_ADDR": where,
                    "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
                },
            )
            assert where in line
            assert "in use" in line
            assert "http.addr" in line


def test_a_root_that_cannot_be_used_is_said_in_a_line(tmp_path, config):
    line = refused(*TWISTD, "--config", config, "--root", config)
    assert "storage.filesystem.rootdirectory" in line
    assert "option --root" in line
    forbidden = tmp_path / "forbidden"
    forbidden.mkdir(mode=0o500)
    line = refused(*_without_superpowers(), *TWISTD, "--config", config, "--root", forbidden / "x")
    assert "Permission denied" in line


def _without_superpowers() -> list[str]:
    """Run a command so that even root minds the permissions of files."""
    if os.geteuid() != 0:
        return []
    return [require("setpriv"), "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        (["--log-level", "loud"], {}, ["log.level", "option --log-level"]),
        (["--listen", "nonsense"], {}, ["option --listen", "nonsense"]),
        (["--listen", "tcp:port"], {}, ["option --listen", "tcp:port"]),
        (["--bogus"], {}, ["--bogus"]),
        (["extra"], {}, ["extra"]),
        (["--config", "/nowhere.yml"], {}, ["/nowhere.yml", "No such file"]),
        (
            [],
            {"REGISTRY_STORAGE_DELETE_ENABLE": "1"},
            [
                "storage.delete.enable",
                "REGISTRY_STORAGE_DELETE_ENABLE",
                "did you mean storage.delete.enabled",
            ],
        ),
        ([], {"REGISTRY_HTTP_ADDR": "x"}, ["http.addr", "REGISTRY_HTTP_ADDR", "host:port"]),
        ([], {"REGISTRY_AUTH": "htpasswd"}, ["auth.htpasswd.path", "missing"]),
        ([], {"REGISTRY_HTTP_ADDR": "no-such-host.invalid:5000"}, ["http.addr"]),
    ],
)
def test_what_is_wrong_is_said_in_a_line_before_listening(tmp_path, config, words, env, said):
    root = ["--root", tmp_path / "root"]
    configured = [] if "--config" in words else ["--config", config]
    line = refused(*TWISTD, *configured, *root, *words, env=env)
    for part in said:
        assert part in line


def test_check_prints_everything_and_every_complaint(tmp_path, config):
    done = subprocess.run(
        [REGISTRY, "check", config], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert 'http.addr: ":5000"' in done.stdout
    config.write_text("version: 0.1\nhttp: {addr: x, adr: y}\n")
    done = subprocess.run(
        [REGISTRY, "check", config],
        env={**ENVIRONMENT, "REGISTRY_LOG_LEVEL": "loud"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 3
    assert str(config) in done.stdout
    missing = subprocess.run(
        [REGISTRY, "check", "/nowhere"], capture_output=True, text=True, check=False
    )
    assert (missing.returncode, missing.stderr) == (
        1,
        "registry: /nowhere: No such file or directory\n",
    )


def test_the_command_knows_its_version_and_helps():
    assert run(REGISTRY, "--version").startswith("holm-registry ")
    assert "serve" in run(REGISTRY, "help")


def test_what_is_in_flight_when_it_stops_is_finished(tmp_path):
    registry = holm(tmp_path / "root")
    location = registry.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
    go_on = threading.Event()

    def body():
        yield b"01234"
        go_on.wait(30)
        yield b"56789"

    answers = []
    sender = threading.Thread(
        target=lambda: answers.append(
            registry.request("PATCH", location, body(), Content_Length="10")
        )
    )
    sender.start()
    wait_until(lambda: registry.request("GET", location).headers["Range"] == "0-4")
    stopper = threading.Thread(target=registry.stop)
    stopper.start()
    wait_until(lambda: not _listens(registry.address))
    go_on.set()
    sender.join()
    stopper.join()
    assert answers[0].status == 202
    assert answers[0].headers["Range"] == "0-9"


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_unix_socket_is_listened_on(tmp_path, config):
    path = tmp_path / "socket"
    command = [REGISTRY, "serve", str(config)]
    environment = {
        **ENVIRONMENT,
        "REGISTRY_HTTP_NET": "unix",
        "REGISTRY_HTTP_ADDR": str(path),
        "REGISTRY_STORAGE": "inmemory",
    }
    with Process(command, r"listening on (\S+)", env=environment) as registry:
        assert registry.address == str(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /v2/ HTTP/1.0\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.0 200")


def test_a_read_only_registry_serves_a_volume_it_may_not_write(tmp_path, config):
    root = tmp_path / "root"
    with holm(root) as registry:
        digest = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        path = f"/v2/a/blobs/uploads/?digest={digest}"
        assert registry.request("POST", path, b"x").status == 201
    folders = [folder for folder in root.rglob("*") if folder.is_dir()]
    for folder in [*folders, root]:
        folder.chmod(0o500)
    command = [*_without_superpowers(), REGISTRY, "serve", str(config)]
    environment = {
        **ENVIRONMENT,
        "REGISTRY_HTTP_ADDR": "127.0.0.1:0",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root),
        "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true",
    }
    with Process(command, r"listening on (127\.0\.0\.1:\d+)", env=environment) as registry:
        assert registry.request("GET", f"/v2/a/blobs/{digest}").body == b"x"
        assert registry.request("GET", f"/v2/a/referrers/{digest}").status == 200
        refused = registry.request("POST", "/v2/a/blobs/uploads/")
        assert refused.status == 405
        assert refused.json["errors"][0]["message"] == "the registry is read-only"


def test_a_configuration_is_served_as_it_says(tmp_path):
    more = (
        "storage: {delete: {enabled: false}}\n"
        "http: {host: 'https://r.example', prefix: /x/, headers: {X-Test: [yes, no]}}\n"
        "catalog: {maxentries: 5}\nvalidation: {manifests: {indexes: {platforms: none}}}\n"
    )
    with holm(tmp_path / "root", CONFIG + more) as registry:
        begun = registry.request("POST", "/x/v2/a/blobs/uploads/")
        assert begun.headers["Location"].startswith("https://r.example/x/v2/a/blobs/uploads/")
        assert begun.headers.get_all("X-Test") == ["yes", "no"]
        assert registry.request("GET", "/v2/").status == 404
        assert registry.request("GET", "/x/v2/_catalog?n=6").status == 400
        assert registry.request("DELETE", "/x/v2/a/manifests/v1").status == 405
        index = (
            b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",'
            b'"manifests":[{"digest":"sha256:%b","size":1}]}' % (b"0" * 64)
        )
        assert registry.request("PUT", "/x/v2/a/manifests/v1", index).status == 201
