"""`make run`, the first command of the README."""

from __future__ import annotations

import http.client
import os
import pty
import re
import signal
import socket
import subprocess
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from ..gallery import Gallery
from .servers import BIN, ENVIRONMENT, Answer
from .test_proxies import free_port

ROOT = Path(__file__).parents[2]

#: As a shell of its own has it: a `make` that is run by another, as by `make test`, says so.
SHELL = {
    name: value for name, value in ENVIRONMENT.items() if not name.startswith(("MAKE", "MFLAGS"))
}


@pytest.fixture
def folder(tmp_path):
    """A folder of its own, so that no data lies in the source."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    return tmp_path


def words(**variables):
    set_up = [f"BIN={BIN}", *(f"{name}={value}" for name, value in variables.items())]
    return ["make", "-f", ROOT / "Makefile", "-o", ".venv/.set-up", "run", *set_up]


@contextmanager
def on_a_terminal(folder, command):
    """Run a command on a terminal of its own, in front; give it, and the terminal."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(folder)
        os.execvpe("make", [os.fspath(word) for word in command], SHELL)  # noqa: S606
    try:
        yield pid, terminal
    finally:
        os.close(terminal)


def until(terminal, text):
    """Read from a terminal until a text was printed; give all that was."""
    said = b""
    while text.encode() not in said:
        more = os.read(terminal, 65536)
        assert more, said
        said += more
    return said.decode()


def rest(terminal):
    """Read from a terminal until nobody writes to it any more."""
    said = b""
    with suppress(OSError):
        while more := os.read(terminal, 65536):
            said += more
    return said.decode()


def ask(port, method, path, body=None, **headers):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return Answer(response, response.read())


def is_open(port, host="127.0.0.1"):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def test_it_says_where_everything_is_and_ctrl_c_is_no_failure(folder):
    port, ui_port = free_port(), free_port()
    with on_a_terminal(folder, words(PORT=port, UI_PORT=ui_port)) as (pid, terminal):
        said = until(terminal, "Ctrl-C")
        for text in (
            f"http://localhost:{ui_port}",
            f"http://localhost:{port}",
            f"docker push localhost:{port}/myapp:v1",
            "data/registry",
        ):
            assert text in said

        def request(method, path, body=None, **headers):
            return ask(port, method, path, body, **headers)

        Gallery(request).image("hello/world", "v1", [b"x"])
        page = ask(ui_port, "GET", "/repo/hello/world").body
        assert f"docker pull localhost:{port}/hello/world:v1".encode() in page
        os.write(terminal, b"\x03")
        said = rest(terminal)
        _, status = os.waitpid(pid, 0)
    assert "Traceback" not in said
    assert "Error" not in said
    assert os.waitstatus_to_exitcode(status) == 0
    assert not is_open(port)
    assert not is_open(ui_port)


def test_it_listens_for_this_machine_alone(folder):
    port, ui_port = free_port(), free_port()
    with on_a_terminal(folder, words(PORT=port, UI_PORT=ui_port)) as (pid, terminal):
        until(terminal, "Ctrl-C")
        listening = {
            line.split()[1]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        }
        assert {f"0100007F:{each:04X}" for each in (port, ui_port)} <= listening
        # Not by Ctrl-C: the other way for somebody to end it.
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    assert not is_open(port)
    assert not is_open(ui_port)


@pytest.mark.parametrize("name", ["PORT", "UI_PORT"])
def test_a_port_that_is_taken_names_the_variable_that_changes_it(folder, name):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        variables = {"PORT": free_port(), "UI_PORT": free_port(), name: port}
        said = refused(folder, **variables)
    advice = re.fullmatch(
        rf"make run: port {port}: address already in use; try: make run {name}=(\d+)\n", said
    )
    assert port < int(advice[1]) < 65536
    assert int(advice[1]) not in variables.values()


@pytest.mark.parametrize("text", ["", "http", "0", "70000", "-1", "5000x", "\u0665"])
def test_what_is_not_a_port_is_said(folder, text):
    said = refused(folder, PORT=text)
    assert said.startswith(f"make run: PORT={text} is not a port; try: make run PORT=")


def test_two_servers_want_two_ports(folder):
    port = free_port()
    said = refused(folder, PORT=port, UI_PORT=port)
    assert f"port {port}: PORT and UI_PORT are the same; try: make run PORT=" in said


def refused(folder, **variables):
    """Return what is said by a run that serves nothing."""
    done = subprocess.run(
        words(**variables),
        cwd=folder,
        env=SHELL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert not (folder / "data").exists()
    return done.stdout


def test_the_set_up_says_what_it_does_and_shows_no_warning_of_the_build():
    """Two minutes of silence look like a fault."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "run"],
        cwd=ROOT,
        env=SHELL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 of 2" in done.stdout
    assert "2 of 2" in done.stdout
    (install,) = [line for line in done.stdout.splitlines() if "--editable" in line]
    assert "--quiet" not in install
    assert "PYTHONWARNINGS=ignore" in install
