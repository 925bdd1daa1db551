"""Registries as processes of their own: ours, and registry:2 as Debian packages it."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

import pytest

BIN = Path(sys.executable).parent
CONFIG = "version: 0.1\n"

#: Nothing of the machine's own environment configures a registry under test.
ENVIRONMENT = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}


def require(program: str, folder: str = "") -> str:
    """
    Find a program, or skip the test; where clients are required, fail it.

    :param folder: Where `.ci/run` installs it, below ``.venv``.
    """
    path = os.pathsep.join((f"{BIN.parent}/{folder}/", ENVIRONMENT["PATH"]))
    found = shutil.which(program, path=path)
    if found is None and os.environ.get("HOLM_REQUIRE_CLIENTS"):
        pytest.fail(f"{program} is not installed")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(*command: str | os.PathLike[str], check: bool = True, **options: Any) -> str:
    """Run a program to its end; give what it printed."""
    options.setdefault("timeout", 240)
    done = subprocess.run(
        [os.fspath(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


class Process:
    """A server that says in its log when and where it listens."""

    def __init__(self, command: list[str], pattern: str, **options: Any) -> None:
        options.setdefault("env", ENVIRONMENT)
        options.setdefault("stdout", subprocess.DEVNULL)
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
        self.lines: list[str] = []
        self.address = self._wait(pattern)
        self._drain = threading.Thread(target=self._read, daemon=True)
        self._drain.start()

    def _wait(self, pattern: str) -> str:
        for line in self._process.stderr:
            self.lines.append(line)
            match = re.search(pattern, line)
            if match:
                return match[1]
        self._process.wait()
        raise AssertionError("it did not start:\n" + "".join(self.lines))

    def _read(self) -> None:
        self.lines.extend(self._process.stderr)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def memory_bytes(self, kind: str = "VmRSS") -> int:
        """Give the memory it has resident, or had at most (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{kind}:\s+(\d+) kB", status)[1]) * 1024

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """End it as an operator would; give its exit status."""
        self.tell_to_stop()
        return self.ended()

    def tell_to_stop(self) -> None:
        """Send the signal by which an operator ends it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait until it has ended; give its exit status."""
        self._end()
        return self._process.returncode

    def _end(self) -> None:
        self._process.wait(timeout=60)
        self._drain.join(timeout=10)
        self._process.stderr.close()

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=named)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Answer:
    """A response that was read whole."""

    def __init__(self, response: http.client.HTTPResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self) -> Any:
        """Give the body, decoded."""
        return json.loads(self.body)


def holm(root: Path, config: str = CONFIG, **options: Any) -> Process:
    """Start our registry on a folder."""
    root.mkdir(parents=True, exist_ok=True)
    file = root.with_suffix(".yml")
    file.write_text(config)
    command = [
        str(BIN / "twistd"),
        "--nodaemon",
        "holm-registry",
        "--config",
        str(file),
        "--root",
        str(root),
        "--listen",
        "tcp:0:interface=127.0.0.1",
    ]
    return Process(command, r"listening on (127\.0\.0\.1:\d+)", **options)


def holm_ui(registry: str, *options: str, **more: Any) -> Process:
    """Start our UI for a registry at an address."""
    command = [
        str(BIN / "twistd"),
        "--nodaemon",
        "--pidfile=",
        "holm-ui",
        *(["--registry-url", f"http://{registry}"] if registry else []),
        "--port",
        "127.0.0.1:0",
        *options,
    ]
    return Process(command, r"listening on (127\.0\.0\.1:\d+)", **more)


def registry2(root: Path, more: str = "") -> Process:
    """Start registry 2.8.2 on a folder, with more configuration if need be."""
    program = require("docker-registry")
    root.mkdir(parents=True, exist_ok=True)
    file = root.with_suffix(".registry2.yml")
    file.write_text(
        "version: 0.1\nlog: {accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: 127.0.0.1:0}}\n{more}"
    )
    return Process([program, "serve", str(file)], r"listening on (127\.0\.0\.1:\d+)")
