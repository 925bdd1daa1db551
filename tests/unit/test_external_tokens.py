"""Tokens that others give out: which are believed."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.auth.external_tokens import (
    ExternalTokenSettings,
    ExternalTokenVerifier,
    KeysInvalid,
    fingerprint,
)
from holm_registry.auth.tokens import TokenInvalid
from holm_registry.config.model import SIGNING_ALGORITHMS

from ..tokens import ISSUER, SERVICE, ExternalIssuer, grant


@pytest.fixture(scope="module", params=["ec", "rsa"])
def issuer(request):
    return ExternalIssuer(request.param)


@pytest.fixture
def files(tmp_path, issuer):
    issuer.write_certificates(tmp_path / "roots.pem")
    issuer.write_keys(tmp_path / "keys.json")
    return tmp_path


def settings(files, certificates="roots.pem", jwks="", algorithms=SIGNING_ALGORITHMS):
    paths = [str(files / name) if name else "" for name in (certificates, jwks)]
    return ExternalTokenSettings(SERVICE, ISSUER, *paths, algorithms)


@pytest.fixture
def trust(files):
    return ExternalTokenVerifier(settings(files), pytest.fail)


@pytest.mark.parametrize("way", ["libtrust", "thumbprint", "x5c", "jwk"])
def test_a_token_may_name_its_key_in_any_way(trust, issuer, way):
    token = issuer.sign([grant("a/b", "pull", "push"), grant("c", "*")], issuer.header[way])
    identity = trust.verify(token)
    assert identity.name == "ada"
    assert identity.is_granted("a/b", "push")
    assert not identity.is_granted("a/b", "delete")
    assert identity.is_granted("c", "delete")
    assert not identity.is_granted("b", "pull")
    assert not identity.can_list_catalog


def test_keys_of_a_key_set_keep_their_ids(files, issuer):
    trust = ExternalTokenVerifier(settings(files, "", "keys.json"), pytest.fail)
    assert trust.verify(issuer.sign(header={"kid": "one"})).name == "ada"
    assert trust.verify(issuer.sign(header=issuer.header["thumbprint"])).name == "ada"
    with pytest.raises(TokenInvalid):
        # Nothing vouches for certificates here.
        trust.verify(issuer.sign(header=issuer.header["x5c"]))


def test_a_certificate_chain_is_verified(files, issuer, trust):
    between = ExternalIssuer(authority=issuer)
    last = ExternalIssuer(authority=between)
    chain = [each.header["x5c"]["x5c"][0] for each in (last, between)]
    assert trust.verify(last.sign(header={"x5c": chain})).name == "ada"
    with pytest.raises(TokenInvalid):
        trust.verify(last.sign(header={"x5c": chain[:1]}))
    with pytest.raises(TokenInvalid):
        trust.verify(last.sign(header={"x5c": chain * 10}))


def test_the_catalog_is_a_separate_grant_and_tokens_may_be_anonymous(trust, issuer):
    assert trust.verify(issuer.sign([grant("catalog", "*", kind="registry")])).can_list_catalog
    nobody = trust.verify(issuer.sign([grant("a", "pull")], sub=""))
    assert nobody.is_anonymous
    assert nobody.is_granted("a", "pull")
    assert trust.verify(issuer.sign(access=None)).grants == {}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody else"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"exp": "never"},
        # Seconds from now: the test may run long after it was collected.
        {"exp": timedelta(seconds=-1000)},
        {"nbf": timedelta(seconds=1000)},
        {"nbf": "soon"},
        {"access": "all"},
        {"access": [{"type": "repository"}]},
    ],
)
def test_claims_are_checked(trust, issuer, claims):
    assert trust.verify(issuer.sign()).name == "ada"
    now = int(time.time())
    claims = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }
    with pytest.raises(TokenInvalid):
        trust.verify(issuer.sign(**claims))


def test_clocks_may_differ_by_a_minute(files, issuer):
    now = time.time()
    trust = ExternalTokenVerifier(settings(files), pytest.fail, lambda: now)
    token = issuer.sign(exp=int(now) + 300, nbf=int(now))
    for shift, is_good in ((-65, False), (-50, True), (350, True), (365, False)):
        moved = ExternalTokenVerifier(settings(files), pytest.fail, lambda shift=shift: now + shift)
        if is_good:
            assert moved.verify(token).name == "ada"
        else:
            with pytest.raises(TokenInvalid):
                moved.verify(token)
    assert trust.verify(token) is trust.verify(token), "it is remembered"


def test_cached_tokens_expire(files, issuer):
    now = [time.time()]
    trust = ExternalTokenVerifier(settings(files), pytest.fail, lambda: now[0])
    token = issuer.sign()
    trust.verify(token)
    now[0] += 400
    with pytest.raises(TokenInvalid):
        trust.verify(token)


def forged(issuer):
    """Give tokens that are signed by whoever asks."""
    stranger = ExternalIssuer()
    kid = issuer.header["libtrust"]
    claims = jwt.decode(issuer.sign(), options={"verify_signature": False})
    public = issuer.key.public_key()
    secret = fingerprint(public).encode()
    yield stranger.sign(header=kid)
    yield stranger.sign()
    yield stranger.sign(header=stranger.header["x5c"])
    yield stranger.sign(header={**stranger.header["jwk"], **kid})
    yield stranger.sign(header={"x5c": ["no certificate"], **kid})
    yield stranger.sign(header={"x5c": issuer.header["x5c"]["x5c"]})
    yield stranger.sign(header={"jwk": {"kty": "oct", "k": "AAAA"}})
    yield jwt.encode(claims, None, "none", kid)
    yield jwt.encode(claims, secret, "HS256", kid)
    yield jwt.encode(claims, secret, "HS256", {"jwk": {"kty": "oct", "k": "AAAA"}})
    for bare in (5, [], {}, {"kty": 5}, {"kty": "EC", "crv": "P-256", "x": 5, "y": {}}):
        yield stranger.sign(header={"jwk": bare})
    for chain in (5, {"a": 1}, [5], [None], "text"):
        yield stranger.sign(header={"x5c": chain})
    yield issuer.sign()[:-4] + "AAAA"
    yield "a.b.c"
    yield ""


def test_forged_tokens_are_refused(trust, issuer):
    for token in forged(issuer):
        with pytest.raises(TokenInvalid):
            trust.verify(token)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_malformed_tokens_are_refused(tmp_path_factory, text, data):
    folder = tmp_path_factory.getbasetemp() / "trust"
    if not folder.exists():
        folder.mkdir()
        ExternalIssuer().write_certificates(folder / "roots.pem")
    trust = ExternalTokenVerifier(settings(folder), pytest.fail)
    for token in (text, f"{text}.{text}.x", jwt.utils.base64url_encode(data).decode() + ".e30.x"):
        with pytest.raises(TokenInvalid):
            trust.verify(token)


def test_only_configured_algorithms_are_accepted(files, issuer):
    trust = ExternalTokenVerifier(settings(files, algorithms=("PS512",)), pytest.fail)
    with pytest.raises(TokenInvalid):
        trust.verify(issuer.sign())


def test_changed_keys_are_read_again(files, issuer):
    said, now = [], [time.time()]
    trust = ExternalTokenVerifier(settings(files), said.append, lambda: now[0])
    token = issuer.sign()
    trust.verify(token)
    os.rename(files / "roots.pem", files / "old")
    (files / "roots.pem").write_text("broken")
    now[0] += 2
    assert trust.verify(token).name == "ada"
    assert said == [
        f"auth.token: {files}/roots.pem: not a PEM certificate; the previous keys stay in use"
    ]
    successor = ExternalIssuer()
    successor.write_certificates(files / "roots.pem")
    now[0] += 2
    assert trust.verify(successor.sign()).name == "ada"
    with pytest.raises(TokenInvalid):
        trust.verify(token)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ("", "not a JSON Web Key Set"),
        ("[]", "not a JSON Web Key Set"),
        ('{"keys": 5}', "not a JSON Web Key Set"),
        (json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}), "no usable key"),
    ],
)
def test_files_without_keys_are_refused(files, text, reason):
    if text is not None:
        (files / "bad").write_text(text)
    with pytest.raises(KeysInvalid, match=reason):
        ExternalTokenVerifier(settings(files, "", "bad"), pytest.fail)
