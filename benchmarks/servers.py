"""
The servers that are measured: ours, registry 2.8.2 as Debian packages it, nginx for raw files.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

_BIN = Path(sys.executable).parent
_TICKS = os.sysconf("SC_CLK_TCK")

#: How long a server may take to answer at all, in seconds.
_START_SECONDS = 60.0

#: No access log.
QUIET = "log: {accesslog: {disabled: true}}\n"

_NGINX = """\
user root; daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen {address}; root {root}; }}
}}
"""


class Server:
    """
    A server that is measured, from its start to its end.

    :param url: Where it is; ``https`` for TLS.
    :param command: What starts it; None for one that somebody else runs.
    :param probe: What is asked for to see whether it serves.
    :param access_log: Where its standard output goes.
    :ivar start_seconds: How long it took from its start to its first 200.
    """

    def __init__(
        self,
        url: str,
        command: list[str] | None = None,
        *,
        probe: str = "/v2/",
        access_log: str = os.devnull,
    ) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.start_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        if command is not None:
            began = time.perf_counter()
            with Path(access_log).open("ab") as log:
                self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.DEVNULL)
            self._await(probe)
            self.start_seconds = time.perf_counter() - began

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is a process of this machine that can be looked at."""
        return self._process is not None

    def cpu_seconds(self) -> float:
        """Tell how much time of a core it has taken, with its workers."""
        return sum(sum(map(int, _stat(pid)[11:13])) for pid in self._pids()) / _TICKS

    def peak_bytes(self) -> int:
        """Tell how much memory it had resident at most, with its workers."""
        return sum(_status_bytes(pid, "VmHWM") for pid in self._pids())

    def resident_bytes(self) -> int:
        """Tell how much memory it has resident."""
        return sum(_status_bytes(pid, "VmRSS") for pid in self._pids())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)

    def _pids(self) -> list[int]:
        if self._process is None:
            return []
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def _await(self, probe: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            connection: http.client.HTTPConnection
            connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
            try:
                connection.request("GET", probe)
                # Over TLS it is told that TLS is spoken, which is an answer too.
                connection.getresponse().read()
            except (OSError, http.client.HTTPException) as problem:
                if isinstance(problem, http.client.BadStatusLine):
                    return
                time.sleep(0.005)
            else:
                return
            finally:
                connection.close()
        raise RuntimeError(f"{self.url} does not answer")


def ours(root: Path, tls: str = "", *, config: str = QUIET, access_log: str = "") -> Server:
    """
    Start Holm Registry on a folder.

    :param access_log: The file in that folder to write its access log to, if it writes one.
    """
    address = _free_address()
    # What listens is an option, since a configuration may have a section http of its own.
    http = _http(address, tls) if tls else ""
    file = _written(root, "ours", f"{config}{http}")
    command = [str(_BIN / "twistd"), "--nodaemon", "--pidfile=", "holm-registry"]
    command += ["--config", str(file), "--root", str(root)]
    if not tls:
        command += ["--listen", f"tcp:{address.partition(':')[2]}:interface=127.0.0.1"]
    log = str(root / access_log) if access_log else os.devnull
    return Server(f"{'https' if tls else 'http'}://{address}", command, access_log=log)


def peer(root: Path, tls: str = "") -> Server:
    """Start registry 2.8.2 on a folder, with no access log, and its cache in memory."""
    address = _free_address()
    text = (
        "log: {accesslog: {disabled: true}, level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}, "
        f"cache: {{blobdescriptor: inmemory}}}}\n{_http(address, tls)}"
    )
    config = _written(root, "peer", text)
    return Server(
        f"{'https' if tls else 'http'}://{address}",
        [_program("docker-registry"), "serve", str(config)],
    )


def nginx(root: Path) -> Server:
    """Start nginx on a folder: its files, by their paths."""
    address = _free_address()
    folder = root / "nginx"
    folder.mkdir(exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, address=address, root=root))
    return Server(f"http://{address}", [_program("nginx"), "-c", str(config)], probe="/")


def _http(address: str, tls: str) -> str:
    files = f", tls: {{certificate: {tls}.crt, key: {tls}.key}}" if tls else ""
    return f"http: {{addr: '{address}'{files}}}\n"


def _written(root: Path, name: str, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    file = root / f"{name}.yml"
    file.write_text(f"version: 0.1\n{text}")
    return file


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def _free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def _stat(pid: int) -> list[str]:
    # Behind the name, which may hold anything; the first field here is the third of proc(5).
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status_bytes(pid: int, kind: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    return 0
