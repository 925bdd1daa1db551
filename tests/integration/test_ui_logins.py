"""The UI in front of a registry that asks who is there, and of one that speaks TLS."""

from __future__ import annotations

import base64
import datetime as dt
import http.server
import ipaddress
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..gallery import Gallery
from .servers import CONFIG, ENVIRONMENT, holm, holm_ui, registry2

#: The password of "ada" is "lovelace".
HTPASSWD = "ada:$2y$05$gMD5s.oU0E9v439h.nSgO.AIMQ5R3NbzgBXOkwDGh6rUBNq2eQdn.\n"

#: Lets the UI list what is public to visitors without a login.
LISTING = "  - {subjects: [anonymous], catalog: true}\n"


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"ada:{password}".encode()).decode()


def test_a_browsers_login_opens_registry_2(tmp_path):
    passwords = tmp_path / "htpasswd"
    passwords.write_text(HTPASSWD)
    auth = f"auth: {{htpasswd: {{realm: ours, path: {passwords}}}}}\n"
    with registry2(tmp_path / "root", auth) as registry, holm_ui(registry.address) as ui:
        login = basic("lovelace")

        def request(method, path, body=None, **headers):
            return registry.request(method, path, body, Authorization=login, **headers)

        Gallery(request).image("secret/app", "v1", [b"x"])
        for path in ("/", "/repo/secret/app", "/image/secret/app:v1", "/api/repos"):
            refused = ui.request("GET", path)
            assert refused.status == 401, path
            assert refused.headers["WWW-Authenticate"] == 'Basic realm="ours"'
            assert ui.request("GET", path, Authorization=basic("wrong")).status == 401
            shown = ui.request("GET", path, Authorization=login)
            assert shown.status == 200
            assert b"secret/app" in shown.body
            # Neither the one who was let in nor what he saw is there for the next.
            assert ui.request("GET", path).status == 401
        digest = ui.request("GET", "/repo/secret/app", Authorization=login).body
        digest = digest.decode().split('title="sha256:')[1].split('"')[0]
        form = f"repo=secret/app&digest=sha256:{digest}"
        kind = "application/x-www-form-urlencoded"
        assert ui.request("POST", "/delete", form, Content_Type=kind).status == 401
        done = ui.request("POST", "/delete", form, Content_Type=kind, Authorization=login)
        assert done.status == 303
        assert not any("lovelace" in line or login in line for line in ui.lines)


def giving_tokens(folder, rule="") -> str:
    """Give a configuration by which ada may push, and everybody pulls what is public."""
    passwords = folder / "htpasswd"
    passwords.write_text(HTPASSWD)
    return (
        f"{CONFIG}auth: {{htpasswd: {{realm: ours, path: {passwords}}}, issuer: {{}}}}\n"
        "access:\n  - {subjects: [ada], repositories: ['*'], actions: [pull, push]}\n"
        f"  - {{subjects: [anonymous], repositories: ['public/*'], actions: [pull]}}\n{rule}"
    )


def test_a_catalog_that_is_not_open_asks_a_browser_for_a_login(tmp_path):
    with (
        holm(tmp_path / "root", giving_tokens(tmp_path)) as registry,
        holm_ui(registry.address) as ui,
    ):
        login = basic("lovelace")

        def request(method, path, body=None, **headers):
            return registry.request(method, path, body, Authorization=login, **headers)

        Gallery(request).image("public/app", "v1", [b"x"])
        refused = ui.request("GET", "/", Accept="text/html")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="registry"'
        assert b'href="/login?back=' in refused.body
        assert b"public/app" in ui.request("GET", "/repo/public/app").body
        assert ui.request("GET", "/api/repos", Authorization=login).json == {
            "repositories": ["public/app"]
        }


def test_a_browsers_login_opens_ours_where_tokens_are_given_out(tmp_path):
    with (
        holm(tmp_path / "root", giving_tokens(tmp_path, LISTING)) as registry,
        holm_ui(registry.address) as ui,
    ):
        login = basic("lovelace")

        def request(method, path, body=None, **headers):
            return registry.request(method, path, body, Authorization=login, **headers)

        for name in ("secret/app", "public/app"):
            Gallery(request).image(name, "v1", [b"x"])
        assert ui.request("GET", "/api/repos").json == {"repositories": ["public/app"]}
        assert b"public/app" in ui.request("GET", "/repo/public/app").body
        refused = ui.request("GET", "/repo/secret/app")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="registry"'
        wrong = ui.request("GET", "/repo/secret/app", Authorization=basic("wrong"))
        assert wrong.headers["WWW-Authenticate"] == 'Basic realm="ours"'
        assert ui.request("GET", "/repo/secret/app", Authorization=login).status == 200
        assert ui.request("GET", "/repo/secret/app").status == 401


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that nobody but its holder vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    encoding = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(encoding)
    )
    return path


class _Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"repositories":["over/tls"]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep quiet."""


def test_a_registry_that_speaks_tls_is_believed_as_the_system_says(certificate):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"https://127.0.0.1:{server.server_address[1]}"
    try:
        trusting = {**ENVIRONMENT, "SSL_CERT_FILE": str(certificate)}
        with holm_ui("", "--registry-url", url, env=trusting) as ui:
            assert ui.request("GET", "/api/repos").json == {"repositories": ["over/tls"]}
        with holm_ui("", "--registry-url", url) as ui:
            refused = ui.request("GET", "/api/repos")
            assert refused.status == 502
        # Visitors are not told; the log is.
        assert "certificate verify failed" in "".join(ui.lines)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
