"""
What `make run` runs: the registry and its UI, until Ctrl-C or either of them ends.

    python tools/run.py HOST PORT UI_PORT
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path("data/registry")
CONFIG = "docs/config-example.yml"
BIN = Path(sys.executable).parent


class _Ended(Exception):
    """Somebody wants an end: Ctrl-C, or another signal."""


def main(host: str, port_text: str, ui_port_text: str) -> int:
    """Serve until the end; return the exit status: 0 if it was asked for, else 1."""
    problem = _why_not(host, {"PORT": port_text, "UI_PORT": ui_port_text})
    if problem:
        print(f"make run: {problem}")
        return 1
    port, ui_port = int(port_text), int(ui_port_text)
    ROOT.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with _foreground():
        return _serve(host, port, ui_port)


def _why_not(host: str, ports: dict[str, str]) -> str:
    """Return why these ports cannot be used, and what to type instead; empty if they can."""
    for name, text in ports.items():
        if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < 65536:
            return f"{name}={text} is not a port; try: make run {name}={_free_port(host, 5000)}"
    numbers = [int(text) for text in ports.values()]
    for name, number in zip(ports, numbers, strict=True):
        problem = _why_taken(host, number)
        if not problem and numbers.count(number) > 1:
            problem = f"{' and '.join(ports)} are the same"
        if problem:
            other = _free_port(host, number + 1, *numbers)
            return f"port {number}: {problem}; try: make run {name}={other}"
    return ""


def _free_port(host: str, first: int, *taken: int) -> int:
    """Return the first port from one on that can be listened on."""
    for number in range(first, 65536):
        if number not in taken and not _why_taken(host, number):
            return number
    return first


def _serve(host: str, port: int, ui_port: int) -> int:
    name = _name(host)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        listen = f"tcp:{port}:interface={_escaped(host)}"
        registry = ["holm-registry", "--config", CONFIG, "--root", str(ROOT), "--listen", listen]
        url = f"http://{_reached(host)}:{port}"
        ui = ["holm-ui", "--port", f"{_bracketed(host)}:{ui_port}", "--registry-url", url]
        processes.append(_start(registry))
        processes.append(_start([*ui, "--public-registry", f"{name}:{port}"]))
        if _are_up(processes, host, (port, ui_port)):
            print(_greeting(name, port, ui_port), flush=True)
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
    except _Ended:
        return _stop(processes, 0)
    return _stop(processes, 1)


def _start(words: list[str]) -> subprocess.Popen[bytes]:
    command = [str(BIN / "twistd"), "--nodaemon", "--pidfile=", *words]
    # A group of its own, which Ctrl-C does not reach: to be ended twice would be an error.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)


def _stop(processes: list[subprocess.Popen[bytes]], status: int) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for process in processes:
        with suppress(ProcessLookupError):
            process.terminate()
    for process in processes:
        process.wait()
    return status


def _end(_number: int, _frame: object) -> None:
    raise _Ended


def _are_up(processes: list[subprocess.Popen[bytes]], host: str, ports: tuple[int, ...]) -> bool:
    """Wait until both can be reached; tell whether they can, or one has ended."""
    waiting = list(ports)
    while waiting and all(process.poll() is None for process in processes):
        try:
            socket.create_connection((_reached(host, bracketed=False), waiting[0]), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            waiting.pop(0)
    return not waiting


def _greeting(name: str, port: int, ui_port: int) -> str:
    return f"""
  UI         http://{name}:{ui_port}
  registry   http://{name}:{port}, which stores everything in {ROOT}

  push       docker tag myapp {name}:{port}/myapp:v1
             docker push {name}:{port}/myapp:v1
             podman push --tls-verify=false myapp {name}:{port}/myapp:v1
  look       .venv/bin/registry stats --root {ROOT}
  stop       Ctrl-C
"""


@contextmanager
def _foreground() -> Iterator[None]:
    """
    Have Ctrl-C on a terminal reach us and not `make`, which would call it a failure.

    Without a terminal, or not in front of it, all stays as it is.
    """
    terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    if terminal is None or os.tcgetpgrp(terminal) != os.getpgrp():
        yield
        return
    before = os.getpgrp()
    # To change what is in front from behind would stop us.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)


def _why_taken(host: str, port: int) -> str:
    """Say why nobody can listen on a port; nothing if somebody can."""
    try:
        address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[4])
    except OSError as problem:
        return (problem.strerror or str(problem)).lower()
    return ""


def _is_any(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")


def _name(host: str) -> str:
    """Give the name to show for this machine."""
    if _is_any(host):
        return socket.gethostname()
    return "localhost" if host in ("127.0.0.1", "::1", "localhost") else _bracketed(host)


def _reached(host: str, *, bracketed: bool = True) -> str:
    """Give the address by which this machine reaches itself."""
    found = "127.0.0.1" if _is_any(host) else host
    return _bracketed(found) if bracketed else found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _escaped(host: str) -> str:
    return host.replace(":", r"\:")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
