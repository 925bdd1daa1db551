"""Checks of configured values, beyond those of their types."""

from __future__ import annotations

import pytest

from holm_registry.config.load import ConfigFile, load


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http: {debug: {addr: x}}", "http.debug.addr: expected host:port"),
        (
            "http: {debug: {addr: ':1', prometheus: {path: x}}}",
            "http.debug.prometheus.path: must begin with a slash",
        ),
        (
            "notifications: {endpoints: [{url: 'http://x'}]}",
            "notifications.endpoints[0].name: expected a unique name",
        ),
        (
            "notifications: {endpoints: [{name: a, url: 'http://x', headers: {'a b': [c]}}]}",
            "notifications.endpoints[0].headers.a b: not a valid name",
        ),
        (
            "notifications: {endpoints: [{name: a, url: 'http://x'}, {name: a, url: 'http://y'}]}",
            "notifications.endpoints[1].name: expected a unique name of 1 to 80 characters",
        ),
        (
            "auth: {htpasswd: {path: x, realm: 'a\"b'}}",
            "auth.htpasswd.realm: must not contain quotes",
        ),
        ("storage: {limits: {blob: big}}", "storage.limits.blob: expected a size such as 10GiB"),
        ("storage: {limits: {manifest: 5MiB}}", "storage.limits.manifest: must be between 1 and"),
        (
            "storage: {limits: {layers: -1}}",
            "storage.limits.layers: expected a whole number of at least 0",
        ),
        ("storage: {quota: {team/: 0}}", "storage.quota.team/: must be greater than 0"),
        ("storage: {quota: {team/: many}}", "storage.quota.team/: expected a size such as 10GiB"),
        ("http: {limits: {requestspersecond: -1}}", "http.limits.requestspersecond: expected"),
        ("auth: {issuer: {}}", "auth.issuer: needs auth.htpasswd"),
        (
            "auth: {token: {realm: x, service: y, issuer: z}}",
            "auth.token: needs rootcertbundle or jwks",
        ),
        (
            "auth: {token: {realm: 'a\"', service: y, issuer: z, jwks: k}}",
            "auth.token.realm: must not contain quotes",
        ),
        ("auth: {token: {service: y, issuer: z, jwks: k}}", "auth.token.realm: missing"),
        (
            "auth: {token: {realm: x, service: y, issuer: z, jwks: k, autoredirectpath: a}}",
            "auth.token.autoredirectpath: must begin with a slash",
        ),
        (
            "auth: {token: {realm: x, service: y, issuer: z, jwks: k, autoredirectpath: '/\"'}}",
            "auth.token.autoredirectpath: must not contain quotes",
        ),
        (
            "auth: {token: {autoredirect: true, service: y, issuer: z, jwks: k, "
            "signingalgorithms: [HS256]}}",
            "auth.token.signingalgorithms[0]: expected",
        ),
        (
            "auth: {htpasswd: {path: x}, issuer: {service: 'a b'}}",
            "auth.issuer.service: must consist of letters",
        ),
        (
            "auth: {htpasswd: {path: x}, issuer: {expiration: 10s}}",
            "auth.issuer.expiration: must be at least 60s",
        ),
        ("access: [{subjects: [a], actions: [pull]}]", "access[0].repositories: must name"),
        ("access: [{repositories: [a], actions: [pull]}]", "access[0].subjects: must name"),
        (
            "access: [{subjects: [anonymous], actions: [pull], catalog: true}]",
            "access[0].repositories: must name",
        ),
        (
            "access: [{subjects: [anonymous], repositories: [a], catalog: maybe}]",
            "access[0].catalog: expected true or false, got 'maybe'",
        ),
        (
            "access: [{subjects: [a], repositories: [a], catalog: true}]",
            "access[0].catalog: is for anonymous",
        ),
        (
            "access: [{subjects: [a], repositories: [a], actions: [read]}]",
            "access[0].actions[0]: expected one of pull, push, delete, got 'read'",
        ),
        ("health: {tcp: [{addr: ':x'}]}", "health.tcp[0].addr: expected host:port"),
        ("health: {http: [{uri: 'ftp://x'}]}", "health.http[0].uri: expected https://"),
        ("health: {http: [{uri: 'http://[x'}]}", "health.http[0].uri: expected https://"),
    ],
)
def test_invalid_values_are_refused(text, message):
    (error,) = load(ConfigFile("/c.yml", f"version: 0.1\n{text}")).layers.errors
    assert str(error).startswith(message)
