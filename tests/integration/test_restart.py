"""Ending gracefully: what is in flight is finished, and nothing that was acknowledged is lost."""

from __future__ import annotations

import base64
import configparser
import hashlib
import http.client
import os
import shlex
import signal
import socket
import threading
from contextlib import closing
from pathlib import Path

import bcrypt
import pytest

from holm_registry.registry_tap import Options

from ..waiting import wait_until
from .servers import BIN, CONFIG, ENVIRONMENT, Process, holm
from .test_sockets import MIB, connect, noise, push, read_head

UNITS = Path(__file__).parents[2] / "docs/systemd"


def wait_until_deaf(server) -> None:
    """Wait until a server takes no more connections."""
    for _ in range(10_000):
        try:
            with closing(connect(server)):
                pass
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            # It came just when the port was closed.
            continue
    raise AssertionError("it still listens")


def test_what_is_in_flight_is_finished_before_it_ends(tmp_path):
    with holm(tmp_path / "root") as server:
        content = noise(30 * MIB, 1)
        digest = push(server, content)
        location = server.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        chunk = noise(2 * MIB, 2)
        with closing(connect(server)) as pull, closing(connect(server)) as patch:
            pull.sendall(f"GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            _, got = read_head(pull)
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(chunk)}\r\n\r\n"
            patch.sendall(head.encode() + chunk[:MIB])
            idle = http.client.HTTPConnection(server.address, timeout=60)
            idle.request("GET", "/v2/")
            assert idle.getresponse().read() == b"{}"
            os.kill(server.pid, signal.SIGTERM)
            wait_until_deaf(server)
            assert idle.sock.recv(1) == b"", "an idle connection is closed"
            idle.close()
            patch.sendall(chunk[MIB:])
            answer, _ = read_head(patch)
            assert b" 202 " in answer
            while len(got) < len(content):
                step = pull.recv(MIB)
                assert step, "the pull was cut"
                got += step
        assert hashlib.sha256(got).hexdigest() == hashlib.sha256(content).hexdigest()
        assert server.stop() in (0, -signal.SIGTERM)
        assert not any("still in flight" in line for line in server.lines)


def test_what_takes_too_long_is_cut_and_goes_on_after_the_restart(tmp_path):
    root, config = tmp_path / "root", f"{CONFIG}http: {{draintimeout: 200ms}}\n"
    chunk = noise(MIB, 3)
    with holm(root, config) as server:
        location = server.request("POST", "/v2/a/blobs/uploads/").headers["Location"]
        assert server.request("PATCH", location, chunk).status == 202
        with closing(connect(server)) as patch:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {10 * MIB}\r\n\r\n"
            patch.sendall(head.encode() + chunk)
            # It may not have been accepted yet.
            old = f"0-{MIB - 1}"
            wait_until(lambda: server.request("GET", location).headers["Range"] != old)
            server.stop()
        assert any("still in flight" in line for line in server.lines)
    with holm(root, config) as server:
        status = server.request("GET", location)
        last = int(status.headers["Range"].partition("-")[2])
        assert last + 1 >= len(chunk), "what was acknowledged is there"
        content = (chunk * 2)[: last + 1] + b"the rest"
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert server.request("PUT", f"{location}?digest={digest}", b"the rest").status == 201
        assert server.request("GET", f"/v2/a/blobs/{digest}").body == content


def test_a_password_that_is_being_checked_is_checked_to_its_end(tmp_path):
    # As dear as a check may be here: the signal comes in its middle.
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(13)).decode()
    (tmp_path / "htpasswd").write_text(f"anna:{hashed}\n")
    users = f"auth: {{htpasswd: {{realm: Holm, path: {tmp_path}/htpasswd}}}}\n"
    with holm(tmp_path / "root", f"{CONFIG}{users}") as server:
        server.tasks = len(os.listdir(f"/proc/{server.pid}/task"))
        with closing(connect(server)) as client:
            login = base64.b64encode(b"anna:secret").decode()
            client.sendall(
                f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n".encode()
            )
            wait_for_thread(server)
            os.kill(server.pid, signal.SIGTERM)
            answer, _ = read_head(client)
            assert b" 200 " in answer
        assert server.stop() in (0, -signal.SIGTERM)
        assert not any("still in flight" in line for line in server.lines)


def wait_for_thread(server) -> None:
    """Wait until a process has a thread more than those that write its logs: one that checks."""
    tasks = f"/proc/{server.pid}/task"
    wait_until(lambda: len(os.listdir(tasks)) > server.tasks)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def serve(root, port):
    """Start a server on a port that the one before it has just left."""
    file = root.with_suffix(".yml")
    file.write_text(f"{CONFIG}http: {{addr: '127.0.0.1:{port}'}}\n")
    root.mkdir(exist_ok=True)
    command = [str(BIN / "twistd"), "--nodaemon", "--pidfile=", "holm-registry"]
    return Process(
        [*command, "--config", str(file), "--root", str(root)], r"listening on (127\.0\.0\.1:\d+)"
    )


def test_real_clients_push_and_pull_through_restarts(tmp_path, port, layout, skopeo):
    root = tmp_path / "root"
    failures = []
    ends = threading.Event()

    def client(number):
        retries = "--retry-times=6"
        target = f"docker://127.0.0.1:{port}/team/app{number}"
        count = 0
        try:
            while not (ends.is_set() and count):
                skopeo("copy", retries, "--all", f"oci:{layout.root}:multi", f"{target}:v{count}")
                pulled = f"dir:{tmp_path}/pulled{number}-{count}"
                skopeo("copy", retries, "--all", f"{target}:v{count}", pulled)
                count += 1
        except BaseException as problem:
            failures.append(problem)

    server = serve(root, port)
    clients = [threading.Thread(target=client, args=(number,)) for number in range(2)]
    for each in clients:
        each.start()
    try:
        for _ in range(4):
            # As soon as there is something to interrupt.
            wait_until(
                lambda: failures or any("team/app" in str(path) for path in root.rglob("_uploads"))
            )
            assert not failures
            server.stop()
            server = serve(root, port)
    finally:
        ends.set()
        for each in clients:
            each.join()
        server.stop()
    assert not failures, failures


def test_systemd_can_keep_the_port(tmp_path):
    unit = read_unit("holm-registry.service")
    words = shlex.split(unit["Service"]["ExecStart"])
    command = [str(BIN / "twistd"), *words[1:]]
    config = tmp_path / "config.yml"
    config.write_text(CONFIG)
    command[command.index("--config") + 1] = str(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        given = "LISTEN_FDS=1 LISTEN_FDNAMES=x LISTEN_PID=$$"
        script = f'exec 3<&{listening.fileno()}; export {given}; exec "$@"'
        environment = {
            **ENVIRONMENT,
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
        }
        for _ in range(2):
            # While nobody serves, a connection waits.
            early = http.client.HTTPConnection(*listening.getsockname(), timeout=60)
            early.request("GET", "/v2/")
            with Process(
                ["bash", "-c", script, "x", *command],
                r"listening on (127\.0\.0\.1:\d+)",
                env=environment,
                pass_fds=[listening.fileno()],
            ):
                assert early.getresponse().read() == b"{}"
                early.close()


def read_unit(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(UNITS / name)
    return unit


def test_the_units_fit_together(tmp_path):
    service, sockets = read_unit("holm-registry.service"), read_unit("holm-registry.socket")
    assert service["Unit"]["Requires"] == "holm-registry.socket"
    assert sockets["Socket"]["ListenStream"].endswith(":5000")
    words = shlex.split(service["Service"]["ExecStart"])
    options = Options()
    (tmp_path / "c.yml").write_text(CONFIG)
    options.parseOptions(["--config", str(tmp_path / "c.yml"), *words[words.index("--listen") :]])
    drain = options.config.http.draintimeout
    assert int(service["Service"]["TimeoutStopSec"]) > drain
    for name in ("holm-registry.service", "holm-ui.service"):
        assert read_unit(name)["Service"]["DynamicUser"] == "yes"


def test_without_systemd_its_sockets_are_missed_in_a_line(tmp_path):
    from .test_service import TWISTD, refused

    (tmp_path / "c.yml").write_text(CONFIG)
    words = ["--config", tmp_path / "c.yml", "--root", tmp_path, "--listen"]
    said = refused(*TWISTD, *words, "systemd:domain=INET:index=0")
    assert "option --listen: systemd passed no such socket" in said
