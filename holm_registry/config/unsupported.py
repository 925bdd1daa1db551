"""
Which of the known keys this registry does not serve, and what it does about each.

A key is refused where passing over it would change who may do what, or where content goes. Where
passing over it is harmless it is accepted with a warning, so that a file written for registry:2
works.
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
class _Rule:
    """
    :ivar path: The key, and whatever lies below it.
    :ivar used: Tells from its value whether somebody relies on it; None where it is enough that
        somebody gave it.
    :ivar excuse: Why it may be passed over; empty if it may not.
    :ivar unless: A key with which it is served after all, if that has a value.
    """

    path: Path
    used: Callable[[Any], bool] | None = bool
    excuse: str = ""
    unless: Path = ()


def _any_enabled(entries: list[Any]) -> bool:
    return any(not entry.disabled for entry in entries)


def _given(value: Any) -> bool:
    return value is not None


_OWN_CACHE = "this registry needs no such cache"

_RULES = (
    *(
        _Rule(("storage", driver), _given)
        for driver in DRIVERS
        if driver not in ("filesystem", "inmemory")
    ),
    _Rule(("auth", "silly"), _given),
    *(_Rule(("middleware", kind), _any_enabled) for kind in ("registry", "repository", "storage")),
    _Rule(
        ("http", "tls", "minimumtls"),
        lambda version: version in ("tls1.0", "tls1.1"),
        "TLS 1.2 is the oldest spoken",
    ),
    _Rule(("http", "tls", "letsencrypt", "email")),
    _Rule(("http", "tls", "letsencrypt", "hosts")),
    _Rule(("proxy", "remoteurl")),
    _Rule(("policy", "repository", "classes")),
    _Rule(("http", "secret"), excuse="uploads need no secret: their state is in the store"),
    _Rule(
        ("http", "debug", "prometheus"),
        lambda debug: debug.enabled,
        "http.debug.addr does not say where to show figures",
        unless=("http", "debug", "addr"),
    ),
    _Rule(("http", "h2c", "enabled"), excuse="HTTP/1.1 is spoken"),
    _Rule(("log", "hooks"), excuse="no log hooks yet"),
    _Rule(("log", "reportcaller"), excuse="logs name their module already"),
    _Rule(("redis",), excuse=_OWN_CACHE),
    _Rule(("storage", "cache", "blobdescriptor"), lambda v: v == "redis", _OWN_CACHE),
    _Rule(("storage", "tag", "concurrencylimit"), excuse="tags are looked up without"),
    _Rule(("reporting",), excuse="nothing is reported anywhere"),
    _Rule(("compatibility",), excuse="schema 1 manifests are served, and no longer accepted"),
)


def check_support(tree: ConfigLayers, config: Config) -> None:
    """Refuse what would be missed, and warn of the rest."""
    for rule in _RULES:
        if not _is_used(rule, tree, config):
            continue
        if rule.excuse:
            source = tree.source_of(rule.path)
            tree.warnings.append(f"{dotted(rule.path)} is ignored: {rule.excuse} (from {source})")
        else:
            tree.complain(rule.path, "not supported yet")


def _is_used(rule: _Rule, tree: ConfigLayers, config: Config) -> bool:
    if rule.unless and _value(config, rule.unless):
        return False
    if rule.used is None:
        return tree.given(rule.path) is not None
    return rule.used(_value(config, rule.path))


def _value(config: Config, path: Path) -> Any:
    value: Any = config
    for part in path:
        value = getattr(value, str(part))
    return value
