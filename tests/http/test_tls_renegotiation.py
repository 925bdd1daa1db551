"""TLS 1.2 without renegotiation, whatever a client asks for."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from holm_registry.http.tls import TlsSettings, build_context

from ..integration.certificates import Authority


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificate, key = Authority(folder).issue("127.0.0.1", "server")
    return TlsSettings(str(certificate), str(key))


def pump(source, target):
    """Carry what one side has written to the other side."""
    try:
        while True:
            target.bio_write(source.bio_read(65536))
    except SSL.WantReadError:
        pass


def step(action):
    try:
        return action()
    except SSL.WantReadError:
        return None


@pytest.fixture
def connected(settings):
    """Two ends of a connection of TLS 1.2, the last version that has renegotiation."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    client, server = SSL.Connection(context), SSL.Connection(build_context(settings))
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(4):
        for side, other in ((client, server), (server, client)):
            step(side.do_handshake)
            pump(side, other)
    assert client.get_protocol_version_name() == "TLSv1.2"
    client.send(b"before")
    pump(client, server)
    assert server.recv(100) == b"before"
    return client, server


def test_a_client_cannot_renegotiate(connected):
    client, server = connected
    assert client.renegotiate()
    step(client.do_handshake)
    pump(client, server)
    with pytest.raises(SSL.WantReadError):
        server.recv(100)
    pump(server, client)
    with pytest.raises(SSL.Error, match="no renegotiation"):
        client.do_handshake()
    assert server.total_renegotiations() == 0
