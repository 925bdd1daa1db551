"""nginx in front, configured as docs/proxies.md says: TLS, tokens, large bodies, a path."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import ssl
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from ..waiting import wait_until
from .certificates import Authority
from .servers import CONFIG, Process, holm, require, run
from .test_sockets import MIB, noise

DOCUMENT = Path(__file__).parents[2] / "docs" / "proxies.md"

#: Everybody may do everything, with a token that says so.
LOGINS = (
    "auth: {robots: {}, issuer: {}}\n"
    "access: [{subjects: [anonymous], repositories: ['*'], actions: [pull, push]}]\n"
)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def configuration(folder: Path, registry: str, port: int) -> str:
    """Put together what the document says, with the paths and addresses of this machine."""
    server, location = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    certificate, key = Authority(folder).issue("127.0.0.1", "registry")
    headers = "\n".join(line for line in server.splitlines() if "proxy_set_header" in line)
    (folder / "registry-headers.conf").write_text(headers)
    for before, after in (
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("127.0.0.1:5000", registry),
        ("/etc/ssl/registry.crt", str(certificate)),
        ("/etc/ssl/registry.key", str(key)),
    ):
        assert before in server
        server = server.replace(before, after)
    server = f"{server.rstrip().removesuffix('}')}{location}}}\n"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/temporary/{kind};\n" for kind in kinds)
    (folder / "temporary").mkdir()
    return (
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr notice;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
    )


class Nginx:
    """A registry behind nginx."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.log, self.port = folder, folder / "access.log", free_port()
        out = stack.enter_context(self.log.open("w"))
        self.registry = stack.enter_context(holm(folder / "root", CONFIG + LOGINS, stdout=out))
        file = folder / "nginx.conf"
        file.write_text(configuration(folder, self.registry.address, self.port))
        command = [require("nginx"), "-e", "stderr", "-c", str(file)]
        stack.enter_context(Process(command, "(start worker process )"))
        self._context = ssl.create_default_context(cafile=str(folder / "authority.crt"))

    def request(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self._context, timeout=60
        )
        with closing(connection):
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def spilled(self) -> list[Path]:
        """Find what nginx has put into files on its way."""
        return [path for path in (self.folder / "temporary").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    require("nginx")
    with ExitStack() as stack:
        yield Nginx(tmp_path_factory.mktemp("nginx"), stack)


def test_a_client_pushes_and_pulls_with_tokens_it_got_by_tls(nginx, layout, tmp_path):
    certificates = tmp_path / "certs"
    certificates.mkdir()
    (certificates / "ca.crt").write_bytes((nginx.folder / "authority.crt").read_bytes())
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--all"]
    there = f"docker://127.0.0.1:{nginx.port}/a:v1"
    run(*skopeo, f"--dest-cert-dir={certificates}", f"oci:{layout.root}:multi", there)
    run(*skopeo, f"--src-cert-dir={certificates}", there, f"dir:{tmp_path}/pulled")


def token(nginx, **headers):
    status, answer, _ = nginx.request("GET", "/v2/", **headers)
    realm = answer["WWW-Authenticate"].split('"')[1]
    assert (status, realm) == (401, f"https://127.0.0.1:{nginx.port}/auth/token")
    _, _, body = nginx.request("GET", "/auth/token?scope=repository:a:pull,push")
    return {"Authorization": f"Bearer {re.search(b'token.:.([^,]+).,', body)[1].decode()}"}


def test_large_bodies_go_through_as_they_come_and_leave_no_file(nginx):
    content = noise(20 * MIB, 11)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    login = token(nginx)
    status, headers, _ = nginx.request("POST", "/v2/a/blobs/uploads/", **login)
    assert status == 202
    parts = (content[start : start + MIB] for start in range(0, len(content), MIB))
    chunked = {**login, "Content-Type": "application/octet-stream"}
    status, headers, _ = nginx.request("PATCH", headers["Location"], parts, **chunked)
    assert status == 202
    status, headers, _ = nginx.request("PUT", f"{headers['Location']}?digest={digest}", **login)
    assert status == 201
    status, _, body = nginx.request("GET", headers["Location"], **login)
    assert (status, body == content) == (200, True)
    assert nginx.spilled() == []


def test_what_a_client_says_of_itself_is_not_believed(nginx):
    token(
        nginx,
        Forwarded="for=6.6.6.6;host=evil;proto=http",
        X_Forwarded_For="6.6.6.6",
        X_Forwarded_Host="evil",
        X_Forwarded_Port="1",
        X_Forwarded_Prefix="/evil",
        X_Forwarded_Proto="http",
        X_Real_IP="6.6.6.6",
        X_Request_Id="asked-by-a-liar",
    )
    wait_until(lambda: "asked-by-a-liar" in nginx.log.read_text())
    (line,) = [each for each in nginx.log.read_text().splitlines() if "asked-by-a-liar" in each]
    assert line.startswith("127.0.0.1 ")


def test_addresses_below_a_path_lead_back_through_it(nginx):
    login = token(nginx)
    status, headers, _ = nginx.request("POST", "/registry/v2/a/blobs/uploads/", **login)
    assert (status, headers["Location"].startswith("/registry/v2/a/")) == (202, True)
    assert nginx.request("GET", headers["Location"], **login)[0] == 204
    _, headers, _ = nginx.request("GET", "/registry/v2/")
    realm = headers["WWW-Authenticate"].split('"')[1]
    assert realm == f"https://127.0.0.1:{nginx.port}/registry/auth/token"
