"""TLS: real clients, certificates that are renewed, and clients that bring their own."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import socket
import ssl
import time
from contextlib import closing

import pytest
from cryptography import x509
from OpenSSL import crypto

from holm_registry.http.tls import client_name

from .certificates import Authority
from .servers import CONFIG, holm, require, run
from .test_service import TWISTD, refused
from .test_sockets import MIB, noise


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def pair(authority):
    return authority.issue("127.0.0.1", "server")


def config(pair, **more):
    tls = {"certificate": str(pair[0]), "key": str(pair[1]), **more}
    return f"{CONFIG}http: {{tls: {json.dumps(tls)}}}\n"


class Client:
    """Speaks to a server over TLS."""

    def __init__(self, server, authority, pair=None, maximum=None):
        context = ssl.create_default_context(cafile=str(authority.path))
        if pair is not None:
            context.load_cert_chain(*pair)
        if maximum is not None:
            context.maximum_version = maximum
        self._context, self._address = context, server.address

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection(self._address, context=self._context, timeout=60)
        with closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def serial(self) -> int:
        """Tell which certificate the server has."""
        host, _, port = self._address.partition(":")
        with (
            socket.create_connection((host, int(port))) as plain,
            self._context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return int(wrapped.getpeercert()["serialNumber"], 16)


def test_blobs_go_in_and_come_out_whole(tmp_path, authority, pair):
    content = noise(20 * MIB, 4)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with holm(tmp_path / "root", config(pair)) as server:
        client = Client(server, authority)
        path = f"/v2/a/blobs/uploads/?digest={digest}"
        assert client.request("POST", path, content)[0] == 201
        status, headers, body = client.request("GET", f"/v2/a/blobs/{digest}")
        assert (status, body == content) == (200, True)
        part = {"Range": "bytes=1000000-2999999"}
        status, headers, body = client.request("GET", f"/v2/a/blobs/{digest}", headers=part)
        assert status == 206
        assert body == content[1000000:3000000]
        assert headers["Content-Range"] == f"bytes 1000000-2999999/{len(content)}"


def test_skopeo_pushes_and_pulls_over_tls(tmp_path, authority, pair, layout):
    certificates = tmp_path / "certs"
    certificates.mkdir()
    (certificates / "ca.crt").write_bytes(authority.path.read_bytes())
    skopeo = [require("skopeo"), "--insecure-policy", "copy", "--all"]
    with holm(tmp_path / "root", config(pair)) as server:
        there = f"docker://{server.address}/a:v1"
        run(*skopeo, f"--dest-cert-dir={certificates}", f"oci:{layout.root}:multi", there)
        run(*skopeo, f"--src-cert-dir={certificates}", there, f"dir:{tmp_path}/pulled")
        strange = run(*skopeo, there, f"dir:{tmp_path}/not", check=False)
        assert "certificate" in strange


def test_skopeo_is_who_its_certificate_says(tmp_path, authority, pair, layout):
    certificates = tmp_path / "certs"
    certificates.mkdir()
    (certificates / "ca.crt").write_bytes(authority.path.read_bytes())
    for each in authority.issue("ci", "client"):
        os.rename(each, certificates / each.name)
    copy = [require("skopeo"), "--insecure-policy", "copy"]
    trust = {"clientcas": [str(authority.path)], "clientauth": "verify-client-cert-if-given"}
    access = "access:\n  - {subjects: [ci], repositories: ['*'], actions: [pull, push]}\n"
    with holm(tmp_path / "root", f"{config(pair, **trust)}{access}") as server:
        there = f"docker://{server.address}/a:v1"
        run(*copy, f"--dest-cert-dir={certificates}", f"oci:{layout.root}:single", there)
        run(*copy, f"--src-cert-dir={certificates}", there, f"dir:{tmp_path}/pulled")
        (certificates / "client.cert").unlink()
        (certificates / "client.key").unlink()
        refused = run(
            *copy, f"--src-cert-dir={certificates}", there, f"dir:{tmp_path}/not", check=False
        )
        assert "authentication required" in refused


@pytest.mark.parametrize(
    ("names", "user"),
    [
        (("ci", x509.DNSName("other.example")), "ci"),
        (("", x509.DNSName("ci.example")), "ci.example"),
        (("", x509.UniformResourceIdentifier("spiffe://a/ci")), "spiffe://a/ci"),
        (("", x509.DNSName("ci.example"), x509.RFC822Name("ci@a.example")), "ci@a.example"),
        (("", x509.IPAddress(ipaddress.ip_address("127.0.0.1"))), ""),
    ],
)
def test_whose_certificate_it_is(authority, names, user):
    name, *other = names
    file, _ = authority.issue(name, "client", *other)
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, file.read_bytes())
    assert client_name(certificate) == user


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(tmp_path, authority, pair):
    with holm(tmp_path / "root", config(pair)) as server:
        client = Client(server, authority)
        first = client.serial()

        def wait_for(text):
            deadline = time.monotonic() + 60
            while not any(text in line for line in server.lines):
                serial = client.serial()
                assert time.monotonic() < deadline, "".join(server.lines)
                time.sleep(0.05)
            return serial

        pair[0].write_text("no certificate")
        wait_for("the certificate from before stays")
        assert client.serial() == first
        authority.issue("127.0.0.1", "server")
        wait_for("the certificate was renewed")
        second = client.serial()
        assert second != first
        os.unlink(pair[1])
        wait_for("No such file or directory; the certificate from before stays")
        assert client.serial() == second


def test_old_versions_are_not_spoken(tmp_path, authority, pair):
    with holm(tmp_path / "root", config(pair, minimumtls="tls1.3")) as server:
        assert Client(server, authority).request("GET", "/v2/")[0] == 200
        with pytest.raises(ssl.SSLError):
            Client(server, authority, maximum=ssl.TLSVersion.TLSv1_2).request("GET", "/v2/")


def test_cipher_suites_have_the_names_of_the_standard(tmp_path, authority, pair):
    suites = [
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
    ]
    with holm(tmp_path / "root", config(pair, ciphersuites=suites)) as server:
        old = Client(server, authority, maximum=ssl.TLSVersion.TLSv1_2)
        assert old.request("GET", "/v2/")[0] == 200
        old._context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        with pytest.raises(ssl.SSLError):
            old.request("GET", "/v2/")


def test_clients_are_who_their_certificates_say(tmp_path, authority, pair):
    strangers = Authority(tmp_path, "strangers")
    access = (
        "access:\n  - {subjects: [ci], repositories: ['*'], actions: [pull, push]}\n"
        "  - {subjects: [anonymous], repositories: ['*'], actions: [pull]}\n"
    )
    required = config(pair, clientcas=[str(authority.path)])
    optional = config(
        pair, clientcas=[str(authority.path)], clientauth="verify-client-cert-if-given"
    )
    start = ("POST", "/v2/a/blobs/uploads/")
    with holm(tmp_path / "one", f"{required}{access}") as server:
        assert Client(server, authority, authority.issue("ci")).request(*start)[0] == 202
        assert Client(server, authority, authority.issue("bob")).request(*start)[0] == 403
        for stranger in (None, strangers.issue("ci", "forged")):
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                Client(server, authority, stranger).request(*start)
    with holm(tmp_path / "two", f"{optional}{access}") as server:
        assert Client(server, authority, authority.issue("ci")).request(*start)[0] == 202
        assert Client(server, authority).request(*start)[0] == 401
        assert Client(server, authority).request("GET", "/v2/_catalog")[0] == 200


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"certificate": "/none"}, "http.tls: /none: No such file or directory"),
        ({"key": ""}, "http.tls: needs both certificate and key"),
        ({"ciphersuites": ["TLS_NONSENSE"]}, "http.tls: ciphersuites: 'TLS_NONSENSE' is none"),
        ({"clientauth": "maybe"}, "http.tls.clientauth: "),
    ],
)
def test_what_cannot_be_used_is_said_before_it_serves(tmp_path, pair, change, said):
    file = tmp_path / "c.yml"
    file.write_text(config(pair, **change))
    words = ["--config", file, "--root", tmp_path / "root", "--listen", "127.0.0.1:0"]
    assert said in refused(*TWISTD, *words)


def test_a_key_of_another_certificate_is_said(tmp_path, authority, pair):
    _, other = authority.issue("other")
    file = tmp_path / "c.yml"
    file.write_text(config((pair[0], other)))
    said = refused(*TWISTD, "--config", file, "--root", tmp_path / "root")
    assert "key values mismatch" in said


def test_curl_without_tls_is_told_that_tls_is_spoken(tmp_path, pair):
    with holm(tmp_path / "root", config(pair)) as server:
        answer = server.request("GET", "/v2/")
        assert answer.status == 400
        assert "Client sent an HTTP request to an HTTPS server." in answer.body.decode()
        answer = server.request("PUT", "/v2/a/blobs/uploads/x", b"x" * 1_000_000)
        assert answer.status == 400
