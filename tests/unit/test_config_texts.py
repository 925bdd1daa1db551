"""Texts, however they are written: in variables, and in files that editors and scripts made."""

from __future__ import annotations

import os
import re
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holm_registry.auth.htpasswd import HtpasswdFile
from holm_registry.cli import build_parser
from holm_registry.config.load import ConfigFile, ConfigInvalid, load
from holm_registry.config.parse import decode_text
from holm_registry.http.tls import TlsInvalid, TlsSettings, build_context
from holm_registry.server.errors import StartupError
from holm_registry.server.registry_service import require_usable_root

#: Texts that YAML makes something else of, or takes for the beginning of something.
ODD = [
    *("[::]:5000", "[::1]:5000", ":5000", "*", "@x", "%", "%a", "yes", "no", "012", "1e3", "0x1F"),
    *("2026-01-01", "null", "~", "Null", "true", "&a", "*a", "!a", "`a`", "a: b", "a #b", "#b"),
    *("{", "}", "[", "]", "{a}", "a, b", "- a", "? a", "-", "?", "|", ">", "'", '"', "a'b", "'a"),
    *("1_000", ".inf", ".nan", "<<", "=", "a\tb", "\\", "C:\\x", "<a>"),
]


@pytest.mark.parametrize("text", ODD)
def test_a_variable_for_a_string_is_taken_literally(text):
    environ = {"REGISTRY_HTTP_SECRET": text, "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": text}
    config = load(None, environ).require()
    assert config.http.secret == text
    assert config.storage.filesystem.rootdirectory == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(('"05"', "05"), ("'*'", "*"), ('"a\\tb"', "a\tb"), ("' a '", " a "), (" a ", "a")),
        *(("''", ""), ("!!str 5", "5"), ("|\n  a\n  b\n", "a\nb\n")),
    ],
)
def test_quotes_of_a_string_are_removed(text, value):
    assert load(None, {"REGISTRY_HTTP_SECRET": text}).require().http.secret == value


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"])))
def test_any_string_without_quotes_is_taken_literally(text):
    if text[:1] not in {"", "'", '"', "!", "|", ">", "\ufeff"}:
        assert load(None, {"REGISTRY_HTTP_SECRET": text}).require().http.secret == text


@pytest.mark.parametrize("addr", ["[::]:5000", "[::1]:5000", ":5000", "'[::]:5000'"])
def test_an_ipv6_address_is_a_string(addr):
    assert load(None, {"REGISTRY_HTTP_ADDR": addr}).require().http.addr == addr.strip("'")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        *(("[*]", ["*"]), ("*", ["*"]), ("[*, @a, %b]", ["*", "@a", "%b"]), ("@a", ["@a"])),
        *(("[a, 'b, c']", ["a", "b, c"]), ("[]", []), ("a: b", ["a: b"]), ("a, b", ["a, b"])),
        *(("max-age=1; x", ["max-age=1; x"]), ("[yes, 012, null]", ["yes", "012", "null"])),
        ("default-src 'none'; img-src *", ["default-src 'none'; img-src *"]),
        ("'a' 'b'", ["'a' 'b'"]),
    ],
)
def test_a_variable_for_strings_is_a_list_or_one_string(text, values):
    assert load(None, {"REGISTRY_HTTP_HEADERS_X": text}).require().http.headers["x"] == values


def test_an_empty_variable_keeps_the_default():
    assert load(None, {"REGISTRY_HTTP_ADDR": " "}).require().http.addr == ":5000"


BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{below}, *{below}, *{below}, *{below}]\n"
    for below, name in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 0.1\nhttp: {addr: a:1}\nlog: {}\nhttp: {}", "http: given twice, in line 2 and"),
        ("version: 0.1\nhttp:\n  addr: :1\n  addr: :2", "http.addr: given twice, in line 3 and in"),
        ("version: 0.1\nhealth: {file: [{file: a, file: b}]}", "health.file.file: given twice, in"),
        ("version: 0.1\nhttp: {headers: {A: [b], a: [c]}}", "http.headers.a: given twice, in diff"),
        ("a: &a\n  b: *a", "a.b: an alias leads back to itself"),
        ("&a [*a]", "an alias leads back to itself"),
        ("a: &a {b: &b {c: *a}}", "a.b.c: an alias leads back to itself"),
        (BOMB, "it has too many values; do aliases repeat one another?"),
        ("a: " + "[" * 60 + "]" * 60, "a: it is nested too deep"),
        ("a: " + "[" * 5000 + "]" * 5000, "nest"),
        ("a: " + "{a: " * 5000 + "}" * 5000, "nest"),
        ("a: *b", "is not YAML in line 1: found undefined alias"),
        ("version: 0.1\nhttp:\n  addr: @x", "is not YAML in line 3: found character"),
        ("version: 0.1\nhttp: {secret: \x01}", "is not YAML"),
        ("version: 0.1\n? [a]\n: b", "is not YAML in line 2: found unhashable key"),
        ("version: 0.1\nhttp: {draintimeout: " + "9" * 400 + "}", "http.draintimeout: expected"),
        ("version: 0.1\nstorage: {limits: {blob: " + "9" * 400 + "}}", "storage.limits.blob: exp"),
        ("version: 0.1\nstorage: {filesystem: {maxthreads: " + "9" * 5000 + "}}", "maxthreads: "),
    ],
)
def test_errors_in_files_name_key_and_line(text, message):
    with pytest.raises(ConfigInvalid) as caught:
        load(ConfigFile("/c.yml", text)).require()
    said = str(caught.value)
    assert message in said
    assert len(said) < 400, "a long value is not repeated whole"
    assert "\n" not in said


def test_a_repeated_key_in_a_variable_is_an_error():
    with pytest.raises(ConfigInvalid, match=r"http\.debug\.addr: given twice"):
        load(None, {"REGISTRY_HTTP_DEBUG": "{addr: a:1, addr: a:2}"}).require()


def test_aliases_and_merges_are_accepted():
    text = "version: 0.1\nlog: {fields: &f {a: b}}\nredis: {<<: *f, c: d}\nproxy: {}\n"
    assert load(ConfigFile("/c.yml", text)).require().redis == {"a": "b", "c": "d"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends_of_editors_are_accepted(encoding, end):
    text = f"version: 0.1{end}http:{end}  secret: gehé{end}"
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    decoded = decode_text(mark + text.encode(encoding))
    assert load(ConfigFile("/c.yml", decoded)).require().http.secret == "gehé"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_in_htpasswd_is_ignored(tmp_path, mark, end):
    path = tmp_path / "htpasswd"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    lines = [f"{name}:{hashed}" for name in ("first", "second")]
    path.write_bytes((mark + end.join(lines) + end).encode())
    warnings = []
    users = HtpasswdFile(str(path), warnings.append)
    assert all(users.check(name, b"secret") for name in ("first", "second"))
    assert warnings == []


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_byte_order_mark_in_a_certificate_is_reported(tmp_path, mark):
    path = tmp_path / "server.crt"
    path.write_bytes(mark + b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(TlsInvalid, match="begins with a byte order mark"):
        build_context(TlsSettings(str(path), str(path)))


def test_the_image_knows_every_command():
    script = (Path(__file__).parents[2] / "docker" / "entrypoint.sh").read_text()
    (line,) = re.findall(r"^ *(serve.*)\) set -- registry", script, re.MULTILINE)
    _, commands = build_parser()
    assert set(line.split(" | ")) == {*commands, "-*"}


def test_an_error_for_a_read_only_volume_says_how_to_serve_it(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    environ = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path)}
    with pytest.raises(StartupError) as caught:
        require_usable_root(load(None, environ))
    error, hint = caught.value.lines
    assert "Permission denied" in error
    assert "set storage.maintenance.readonly.enabled to true" in hint
    read_only = {"REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true"}
    require_usable_root(load(None, {**environ, **read_only}))
