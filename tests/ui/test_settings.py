"""Options, the environment, defaults, and what cannot be used."""

from __future__ import annotations

import pytest

from holm_registry.ui.web.settings import SettingInvalid, UiSettings, read_settings


def test_defaults():
    assert read_settings({}, {}) == UiSettings(
        "http://registry.holm.svc.cluster.local:5000",
        "registry.holm.svc.cluster.local:5000",
        ":8080",
    )


def test_the_environment_wins_over_defaults_and_options_over_both():
    environ = {
        "PORT": "9000",
        "REGISTRY_URL": "http://one:5000/",
        "PUBLIC_REGISTRY": "localhost:31500",
        "REPOSITORIES": "a/b, c",
    }
    assert read_settings({}, environ) == UiSettings(
        "http://one:5000", "localhost:31500", ":9000", ("a/b", "c")
    )
    options = {
        "port": "127.0.0.1:1",
        "registry-url": "https://two/prefix/v2/",
        "public-registry": "https://r.example/",
        "repositories": "d",
    }
    assert read_settings(options, environ) == UiSettings(
        "https://two/prefix", "r.example", "127.0.0.1:1", ("d",)
    )


def test_an_empty_variable_is_none():
    assert read_settings({}, {"PORT": "", "REGISTRY_URL": ""}) == read_settings({}, {})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("REGISTRY_URL", "registry:5000", "expected http://HOST:PORT"),
        ("REGISTRY_URL", "ftp://registry", "expected http://HOST:PORT"),
        ("REGISTRY_URL", "http://", "expected http://HOST:PORT"),
        ("REGISTRY_URL", "http://registry:99999", "a port is a number up to 65535"),
        ("REGISTRY_URL", "http://registry:x", "a port is a number up to 65535"),
        ("REGISTRY_URL", "http://registry/?a=b", "no query"),
        ("PORT", "http", "expected host:port"),
        ("PORT", "70000", "expected host:port"),
        ("PUBLIC_REGISTRY", "host name", "expected HOST:PORT"),
        ("PUBLIC_REGISTRY", "host/path", "expected HOST:PORT"),
        ("REPOSITORIES", "UPPER", "invalid repository name"),
    ],
)
def test_what_cannot_be_used_says_where_it_came_from(name, value, reason):
    with pytest.raises(SettingInvalid) as problem:
        read_settings({}, {name: value})
    assert str(problem.value).startswith(f"environment variable {name}: ")
    assert reason in str(problem.value)


def test_a_login_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(SettingInvalid) as problem:
        read_settings({"registry-url": "http://ada:lovelace@registry"}, {})
    assert "no login" in str(problem.value)
    assert "lovelace" not in str(problem.value)
