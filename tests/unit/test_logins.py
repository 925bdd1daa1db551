"""Passwords, tokens, and what is remembered of them."""

from __future__ import annotations

import os
import threading

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.auth import htpasswd as module
from holm_registry.auth.credential_cache import CACHE_SECONDS, CredentialCache
from holm_registry.auth.htpasswd import (
    HtpasswdFile,
    HtpasswdInvalid,
    hash_password,
    parse_htpasswd,
    require_user_name,
)
from holm_registry.auth.identity import Identity
from holm_registry.auth.scopes import Scopes
from holm_registry.auth.tokens import MAX_TOKEN_BYTES, TokenInvalid, TokenIssuer, load_or_create_key


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "ROUNDS", 4)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "htpasswd"
    found.write_text(f"# users\n\nalice:{hash_password(b'one')}\nbob:{hash_password(b'two')}\n")
    return found


def test_the_right_password_is_accepted(path):
    users = HtpasswdFile(str(path), pytest.fail)
    assert users.check("alice", b"one")
    assert users.check("bob", b"two")
    for name, password in [
        ("alice", b"two"),
        ("alice", b""),
        ("carol", b"one"),
        ("", b""),
        ("ALICE", b"one"),
        ("alice", b"one\0more"),
    ]:
        assert not users.check(name, password)


def test_an_unknown_user_takes_as_long_as_most_users(path, monkeypatch):
    tried = []
    real = module.bcrypt.checkpw
    monkeypatch.setattr(
        module.bcrypt, "checkpw", lambda *each: (tried.append(each[1]), real(*each))[1]
    )
    users = HtpasswdFile(str(path), pytest.fail)
    for name in ("alice", "nobody"):
        assert not users.check(name, b"wrong")
    assert [each[4:7] for each in tried] == [b"04$"] * 2


def test_hashes_of_apaches_htpasswd_are_accepted(tmp_path):
    found = tmp_path / "htpasswd"
    # htpasswd -nbB -C 4 alice one
    known = "$2y$04$" + hash_password(b"one").split("$")[3]
    found.write_text(f"alice:{known}\n")
    assert HtpasswdFile(str(found), pytest.fail).check("alice", b"one")


def test_a_changed_file_is_read_again_and_an_invalid_one_ignored(path):
    warnings = []
    users = HtpasswdFile(str(path), warnings.append)
    path.write_text(f"alice:{hash_password(b'new')}\n")
    assert users.current_version() != users.version
    assert users.check("alice", b"new")
    assert users.current_version() == users.version
    assert not users.check("bob", b"two")
    path.write_text("no colon here\n")
    assert users.check("alice", b"new")
    assert users.check("alice", b"new")
    assert warnings == [
        "auth.htpasswd.path: line 1 is not NAME:HASH; the previous users stay in use"
    ]
    os.unlink(path)
    assert users.check("alice", b"new")
    assert "No such file" in warnings[-1]


def test_users_with_another_kind_of_hash_are_reported_and_ignored():
    text = f"alice:{hash_password(b'one')}\nold:$apr1$abc$def\nplain:secret\n"
    users, warnings = parse_htpasswd(text)
    assert set(users) == {"alice"}
    assert len(warnings) == 2
    assert "'old' cannot log in" in warnings[0]
    assert not any("secret" in warning for warning in warnings)


@pytest.mark.parametrize("text", ["nothing", ":hash", "a:b\nc"])
def test_invalid_files_are_refused(text):
    with pytest.raises(HtpasswdInvalid):
        parse_htpasswd(text)


@pytest.mark.parametrize("password", [b"", b"x" * 73])
def test_empty_and_too_long_passwords_are_refused(password):
    with pytest.raises(HtpasswdInvalid):
        hash_password(password)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\n", "#a"])
def test_invalid_user_names_are_refused(name):
    with pytest.raises(HtpasswdInvalid):
        require_user_name(name)


def test_a_login_is_cached_for_a_limited_time_and_one_file_version():
    now = [0.0]
    remembered = CredentialCache(lambda: now[0])
    remembered.add(1, "alice", b"pa55", "fingerprint")
    assert remembered.get(1, "alice", b"pa55") == "fingerprint"
    assert remembered.get(2, "alice", b"pa55") == ""
    assert remembered.get(1, "alice", b"other") == ""
    assert remembered.get(1, "alice\0", b"pa55") == ""
    assert "pa55" not in repr(vars(remembered))
    now[0] = CACHE_SECONDS
    assert remembered.get(1, "alice", b"pa55") == ""


def test_the_number_of_cached_logins_is_limited():
    remembered = CredentialCache()
    for number in range(5000):
        remembered.add(1, str(number), b"x", "f")
    assert len(remembered._cached) <= 1024
    assert remembered.get(1, "4999", b"x")


class Now:
    def __init__(self):
        self.seconds = 1_000_000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def now():
    return Now()


@pytest.fixture
def issuer(now):
    return TokenIssuer(b"k" * 32, "registry", 900.0, now)


def test_a_token_contains_its_identity_and_scopes(issuer, now):
    scopes = Scopes({"a/b": ["push", "pull"], "c": []}, catalog=True)
    token = issuer.issue(Identity("alice", login="hash"), scopes)
    assert token.scope == "repository:a/b:push,pull registry:catalog:*"
    found = issuer.verify(token.text)
    granted = {"a/b": frozenset({"pull", "push"})}
    assert found == Identity("alice", granted, can_list_catalog=True, login="hash")
    assert found.is_granted("a/b", "push")
    assert not found.is_granted("a/b", "delete")
    assert not found.is_granted("d", "pull")
    now.seconds += 900
    issuer.verify(token.text)
    now.seconds += 31
    with pytest.raises(TokenInvalid, match="expired"):
        issuer.verify(token.text)


@given(
    st.text(max_size=300),
    st.lists(st.integers(min_value=1, max_value=250), max_size=300),
    st.booleans(),
)
def test_a_token_fits_into_a_header_with_the_last_scopes(name, lengths, catalog):
    issuer = TokenIssuer(b"k" * 32, "registry", 900.0)
    names = [f"{number:03}/{'a' * length}" for number, length in enumerate(lengths)]
    scopes = Scopes({each: ["pull", "push"] for each in names}, catalog)
    token = issuer.issue(Identity(name, login="f" * 32, robot=1.5), scopes)
    assert len(token.text) <= MAX_TOKEN_BYTES
    found = issuer.verify(token.text)
    granted = list(found.grants)
    assert granted == names[len(names) - len(granted) :]
    assert found.can_list_catalog is catalog
    if len(granted) < len(names):
        assert len(token.text) > MAX_TOKEN_BYTES - 400, "as many as fit"


def test_a_token_has_room_for_a_hundred_repositories():
    scopes = Scopes({f"team/application-{n:03}": ["pull", "push"] for n in range(100)})
    token = TokenIssuer(b"k" * 32, "registry", 900.0).issue(Identity("ci", login="f" * 32), scopes)
    assert len(token.scope.split(" ")) == 100


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["repository:a:pull"], "repository:a:pull"),
        (["repository:a:*"], "repository:a:pull,push,delete"),
        (["repository:a:push,pull,fly"], "repository:a:pull,push"),
        (
            ["repository:a:pull repository:b:push", "repository:a:push"],
            "repository:b:push repository:a:pull,push",
        ),
        (["registry:catalog:* repository:a:pull"], "repository:a:pull registry:catalog:*"),
        (["registry:catalog:pull", "registry:x:*", "repository(plugin):a:pull"], ""),
        (["", " ", ":", "::", "a:b:c:d", "repository::pull", "repository:a:"], ""),
        (["repository:host:5000/a:pull"], "repository:host:5000/a:pull"),
    ],
)
def test_scopes_are_parsed_and_formatted(texts, expected):
    scopes = Scopes.parse(texts)
    assert scopes.last_fitting(10_000) == expected
    assert Scopes.parse([expected]).last_fitting(10_000) == expected


def test_servers_of_one_volume_accept_each_others_tokens(issuer, now, tmp_path):
    path = str(tmp_path / "deep/tokens.key")
    keys = []
    threads = [
        threading.Thread(target=lambda: keys.append(load_or_create_key(path))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert os.stat(path).st_mode & 0o077 == 0
    assert os.listdir(tmp_path / "deep") == ["tokens.key"]
    one, two = (TokenIssuer(key, "registry", 900.0, now) for key in keys[:2])
    assert two.verify(one.issue(Identity("alice"), Scopes({})).text).name == "alice"


def test_a_key_is_created_on_a_file_system_without_links(tmp_path, monkeypatch):
    def failing(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", failing)
    path = str(tmp_path / "tokens.key")
    assert load_or_create_key(path) == load_or_create_key(path)
    assert os.listdir(tmp_path) == ["tokens.key"]


def test_a_damaged_key_is_reported(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(OSError, match="damaged"):
        load_or_create_key(str(tmp_path / "key"))


def forged(now, key=b"k" * 32, algorithm="HS256", **changed):
    claims = {
        "iss": "registry",
        "aud": "registry",
        "sub": "admin",
        "exp": now() + 100,
        "scope": "repository:a:push",
        "login": "hash",
        **changed,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm)


def test_tokens_of_this_registry_are_accepted(issuer, now):
    assert issuer.verify(forged(now)).name == "admin"


@pytest.mark.parametrize(
    "changed",
    [
        {"key": b"x" * 32},
        {"key": None, "algorithm": "none"},
        {"key": b"k" * 64, "algorithm": "HS512"},
        {"iss": "other"},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"exp": "x"},
        {"scope": None},
        {"scope": ["repository:a:push"]},
        {"login": None},
        {"login": 5},
        {"robot": "x"},
    ],
)
def test_other_tokens_are_refused(issuer, now, changed):
    with pytest.raises(TokenInvalid):
        issuer.verify(forged(now, **changed))


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: b.decode("latin-1")))
def test_any_text_is_refused_without_an_error(text):
    with pytest.raises(TokenInvalid):
        TokenIssuer(b"k" * 32, "registry", 900.0).verify(text)
