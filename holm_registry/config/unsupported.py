"""
The keys of registry:2 that this registry does not support.

A key is refused if ignoring it would change permissions or the place of content. A key that can be
ignored without harm is accepted with a warning, so that configuration files of registry:2 work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from .layers import ConfigLayers
from .model import Config
from .schema import Path, dotted
from .storage import DRIVERS


@frozen
class _UnsupportedKey:
    """
    :ivar path: The key, with all keys below it.
    :ivar is_used: Returns whether a value asks for the unsupported feature; None if every value
        does.
    :ivar reason: Why the key can be ignored; empty if it is refused.
    :ivar unless_set: Another key; if that has a value, this key is supported.
    """

    path: Path
    is_used: Callable[[Any], bool] | None = bool
    reason: str = ""
    unless_set: Path = ()


def _any_enabled(entries: list[Any]) -> bool:
    return any(not entry.disabled for entry in entries)


def _is_present(value: Any) -> bool:
    return value is not None


_NO_CACHE_NEEDED = "this registry needs no such cache"

_UNSUPPORTED_KEYS = (
    *(
        _UnsupportedKey(("storage", driver), _is_present)
        for driver in DRIVERS
        if driver not in ("filesystem", "inmemory")
    ),
    _UnsupportedKey(("auth", "silly"), _is_present),
    *(
        _UnsupportedKey(("middleware", kind), _any_enabled)
        for kind in ("registry", "repository", "storage")
    ),
    _UnsupportedKey(
        ("http", "tls", "minimumtls"),
        lambda version: version in ("tls1.0", "tls1.1"),
        "the oldest supported version is TLS 1.2",
    ),
    _UnsupportedKey(("http", "tls", "letsencrypt", "email")),
    _UnsupportedKey(("http", "tls", "letsencrypt", "hosts")),
    _UnsupportedKey(("proxy", "remoteurl")),
    _UnsupportedKey(("policy", "repository", "classes")),
    _UnsupportedKey(
        ("http", "secret"), reason="uploads need no secret: their state is in the store"
    ),
    _UnsupportedKey(
        ("http", "debug", "prometheus"),
        lambda debug: debug.enabled,
        "http.debug.addr, the address of the metrics, is not set",
        unless_set=("http", "debug", "addr"),
    ),
    _UnsupportedKey(("http", "h2c", "enabled"), reason="only HTTP/1.1 is supported"),
    _UnsupportedKey(("log", "hooks"), reason="log hooks are not supported"),
    _UnsupportedKey(("log", "reportcaller"), reason="logs name their module already"),
    _UnsupportedKey(("redis",), reason=_NO_CACHE_NEEDED),
    _UnsupportedKey(
        ("storage", "cache", "blobdescriptor"), lambda v: v == "redis", _NO_CACHE_NEEDED
    ),
    _UnsupportedKey(("storage", "tag", "concurrencylimit"), reason="tag lookups need no limit"),
    _UnsupportedKey(("reporting",), reason="error reporting is not supported"),
    _UnsupportedKey(("compatibility",), reason="schema 1 manifests are served, but not accepted"),
)


def check_unsupported(layers: ConfigLayers, config: Config) -> None:
    """Add an error or a warning for each unsupported key that is used."""
    for rule in _UNSUPPORTED_KEYS:
        if not _is_used(rule, layers, config):
            continue
        if rule.reason:
            source = layers.source_of(rule.path)
            layers.warnings.append(f"{dotted(rule.path)} is ignored: {rule.reason} (from {source})")
        else:
            layers.add_error(rule.path, "not supported yet")


def _is_used(rule: _UnsupportedKey, layers: ConfigLayers, config: Config) -> bool:
    if rule.unless_set and _value(config, rule.unless_set):
        return False
    if rule.is_used is None:
        return layers.value_at(rule.path) is not None
    return rule.is_used(_value(config, rule.path))


def _value(config: Config, path: Path) -> Any:
    value: Any = config
    for part in path:
        value = getattr(value, str(part))
    return value
