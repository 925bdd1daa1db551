"""
From a file's text, the environment and options to a :class:`.model.Config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from attrs import frozen

from holm_registry.oci.manifest import MAX_MANIFEST_BYTES

from .addresses import parse_address, parse_networks
from .environment import apply_environment
from .http import HttpSection
from .layers import ConfigError, ConfigLayers, nearest, shortened
from .leaf import convert_leaf
from .model import (
    AUTH_TYPES,
    SIGNING_ALGORITHMS,
    AccessRuleSection,
    Config,
    IssuerSection,
    NotificationsSection,
    TokenSection,
)
from .parse import YamlInvalid, parse_yaml
from .schema import Path, item_of, keys, section_of, value_of
from .storage import DRIVERS, StorageSection
from .unsupported import check_support

#: A folder is named by an endpoint's name, each character of which may take three there.
_LONGEST_NAME = 80

_SERVICE = re.compile(r"[A-Za-z0-9._:-]{1,100}")

#: Clients believe tokens to be good for so long where nobody says.
_LEAST_TOKEN_SECONDS = 60

_PREFIX = re.compile(r"/|(?:/[A-Za-z0-9._~@:+-]+)+/")

#: What would end the header, or the quotes, that an address stands in.
_NO_URL = re.compile(r"[^!#-;=?-\[\]_a-z~]")

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@*]+/?")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


@frozen
class File:
    """A configuration file that was read."""

    path: str
    text: str


@frozen
class Option:
    """A command line option that sets a key."""

    name: str
    path: Path
    value: object


class ConfigInvalid(Exception):
    """The configuration cannot be used."""

    def __init__(self, complaints: list[ConfigError]) -> None:
        super().__init__("; ".join(map(str, complaints)))
        self.complaints = complaints


@frozen
class Loaded:
    """
    A configuration, good or not.

    :ivar config: What the sources come to; defaults stand where something was wrong.
    :ivar tree: The same with its sources, complaints and warnings.
    """

    config: Config
    tree: ConfigLayers

    def require(self) -> Config:
        """
        Give the configuration.

        :raises ConfigInvalid: There are complaints.
        """
        if self.tree.complaints:
            raise ConfigInvalid(self.tree.complaints)
        return self.config


def load(
    file: File | None = None,
    environ: Mapping[str, str] | None = None,
    options: tuple[Option, ...] = (),
) -> Loaded:
    """Put a configuration together: options over environment over file over defaults."""
    tree = ConfigLayers()
    if file is not None:
        _read_file(tree, file)
    apply_environment(tree, environ or {})
    for option in options:
        _apply_option(tree, option)
    _expand_bare_names(tree)
    _check_choice(tree, ("storage",), DRIVERS, "storage drivers")
    for others in (("none", "htpasswd"), ("none", "token"), ("issuer", "token")):
        # No login and one, or two who give out tokens: which of them is meant?
        _check_choice(tree, ("auth",), others, "auth types")
    _merge_headers(tree)
    _default_driver(tree)
    config = _convert(tree, Config, tree.values, ())
    _check_values(tree, config)
    check_support(tree, config)
    return Loaded(config, tree)


def _read_file(tree: ConfigLayers, file: File) -> None:
    source = f"file {file.path}"
    try:
        values = parse_yaml(file.text.removeprefix("\ufeff"))
    except YamlInvalid as problem:
        text = str(problem)
        if not problem.path:
            line = f" in line {problem.line}" if problem.line is not None else ""
            text = f"the file is not YAML{line}: {text}"
        tree.complaints.append(ConfigError(problem.path, source, text))
        tree.is_readable = False
        return
    if not isinstance(values, dict):
        tree.complaints.append(ConfigError((), source, _what_else(values)))
        tree.is_readable = False
        return
    tree.values = values
    tree.origin = source
    tree.sources.update((path, source) for path in _paths(values, ()))
    if "version" not in values:
        tree.complaints.append(ConfigError(("version",), source, "missing; expected 0.1"))


def _what_else(values: Any) -> str:
    """Say what a file holds that is no mapping."""
    if values is None:
        return "the file is empty; it begins with version: 0.1"
    kind = "a list" if isinstance(values, list) else "a text"
    return f"the file is {kind}, not a mapping of keys to values; it begins with version: 0.1"


def _paths(value: Any, path: Path) -> Iterator[Path]:
    """Give the path of every plain value in a tree."""
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _paths(below, (*path, str(name)))
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))
    else:
        yield path


def _apply_option(tree: ConfigLayers, option: Option) -> None:
    values = tree.values
    for part in option.path[:-1]:
        below = values.get(str(part))
        if not isinstance(below, dict):
            below = values[str(part)] = {below: {}} if isinstance(below, str) else {}
        values = below
    values[str(option.path[-1])] = option.value
    tree.set_source(option.path, f"option {option.name}")


def _expand_bare_names(tree: ConfigLayers) -> None:
    """Read ``storage: inmemory`` as a section with that driver and nothing more said of it."""
    for key in ("storage", "auth"):
        if isinstance(tree.values.get(key), str):
            tree.values[key] = {tree.values[key]: {}}
    for key, names in (("storage", DRIVERS), ("auth", AUTH_TYPES)):
        section = tree.values.get(key)
        if isinstance(section, dict):
            # "inmemory:" with nothing behind it means the same as "inmemory: {}".
            section.update({name: {} for name in names if name in section and not section[name]})


def _check_choice(tree: ConfigLayers, path: Path, names: tuple[str, ...], what: str) -> None:
    section = tree.given(path)
    chosen = [name for name in names if isinstance(section, dict) and name in section]
    if len(chosen) > 1:
        sources = ", ".join(f"{name} from {tree.source_of((*path, name))}" for name in chosen)
        tree.complain((*path, chosen[-1]), f"several {what} where one is possible: {sources}")


def _default_driver(tree: ConfigLayers) -> None:
    section = tree.values.get("storage")
    if isinstance(section, dict) and not any(name in section for name in DRIVERS):
        section["filesystem"] = {}


def _merge_headers(tree: ConfigLayers) -> None:
    """Lay the headers that were given over the default ones, whatever case their names are in."""
    given = tree.given(("http", "headers"))
    if not isinstance(given, dict):
        return
    names: set[str] = set()
    for name in map(str, given):
        if name.lower() in names:
            tree.complain(("http", "headers", name), "given twice, in letters of another case")
        names.add(name.lower())
    defaults = Config().http.headers
    kept = {name: list(v) for name, v in defaults.items() if name.lower() not in names}
    for name in kept:
        tree.sources[("http", "headers", name)] = "default"
    tree.values["http"]["headers"] = {**kept, **given}


def _convert(tree: ConfigLayers, hint: Any, value: Any, path: Path) -> Any:
    """Give a value its type, noting what is wrong with any part of it."""
    section = section_of(hint)
    if section is not None:
        return _convert_section(tree, section, value, path)
    item, free = item_of(hint), value_of(hint)
    if item is not None:
        return _convert_list(tree, item, value, path)
    if free is not None and hint is not Any:
        if value is None:
            return {}
        if isinstance(value, dict):
            found = {
                str(name): _convert(tree, free, each, (*path, str(name)))
                for name, each in value.items()
            }
            # What was complained of has no value.
            return {name: each for name, each in found.items() if each is not None}
        tree.complain(path, "expected a mapping of keys to values")
        return {}
    return _convert_leaf(tree, hint, value, path)


def _convert_section(
    tree: ConfigLayers, section: type[msgspec.Struct], value: Any, path: Path
) -> msgspec.Struct:
    if value is None:
        return section()
    if not isinstance(value, dict):
        tree.complain(path, "expected a section with keys of its own")
        return section()
    known = keys(section)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(section)}
    converted = {}
    for name, each in value.items():
        below = (*path, str(name))
        if name not in known:
            tree.complain(below, f"unknown key{nearest(below)}")
            continue
        result = _convert(tree, known[name].type, each, below)
        if result is not None:
            converted[names[name]] = result
    return section(**converted)


def _convert_list(tree: ConfigLayers, item: Any, value: Any, path: Path) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    converted = [_convert(tree, item, each, (*path, index)) for index, each in enumerate(value)]
    return [each for each in converted if each is not None]


def _convert_leaf(tree: ConfigLayers, hint: Any, value: Any, path: Path) -> Any:
    """Convert a plain value; None, which leaves the default, where that fails."""
    if value is None or hint is Any:
        return value
    try:
        return convert_leaf(hint, value)
    except ValueError as problem:
        tree.complain(path, f"{problem}, got {shortened(value)}")
        return None


def _check_values(tree: ConfigLayers, config: Config) -> None:
    """Check what a type cannot say."""
    if config.version != "0.1":
        tree.complain(("version",), f"unsupported version {config.version!r}; expected 0.1")
    _check_http(tree, config.http)
    for index, tcp in enumerate(config.health.tcp):
        _check_address(tree, ("health", "tcp", index, "addr"), tcp.addr)
    for index, web in enumerate(config.health.http):
        _check_url(tree, ("health", "http", index, "uri"), web.uri)
    _check_notifications(tree, config.notifications)
    _check_storage(tree, config.storage)
    _check_access(tree, config)
    for name in ("allow", "deny"):
        for index, pattern in enumerate(getattr(config.validation.manifests.urls, name)):
            _check_pattern(tree, ("validation", "manifests", "urls", name, index), pattern)


def _check_storage(tree: ConfigLayers, storage: StorageSection) -> None:
    if not 0 < storage.limits.manifest <= MAX_MANIFEST_BYTES:
        most = f"{MAX_MANIFEST_BYTES} bytes"
        tree.complain(("storage", "limits", "manifest"), f"must be between 1 and {most}")
    for prefix, size in storage.quota.items():
        if not size:
            tree.complain(("storage", "quota", prefix), "must be more than nothing")


def _check_notifications(tree: ConfigLayers, notifications: NotificationsSection) -> None:
    names: set[str] = set()
    for index, endpoint in enumerate(notifications.endpoints):
        path = ("notifications", "endpoints", index)
        if endpoint.disabled:
            continue
        _check_url(tree, (*path, "url"), endpoint.url)
        if not 0 < len(endpoint.name) <= _LONGEST_NAME or endpoint.name in names:
            tree.complain((*path, "name"), f"expected a name of its own, got {endpoint.name!r}")
        names.add(endpoint.name)
        _check_headers(tree, (*path, "headers"), endpoint.headers)


def _check_access(tree: ConfigLayers, config: Config) -> None:
    auth = config.auth
    if auth.htpasswd is not None:
        if not auth.htpasswd.path:
            tree.complain(("auth", "htpasswd", "path"), "missing: the file of users")
        if '"' in auth.htpasswd.realm or _CONTROL.search(auth.htpasswd.realm):
            tree.complain(("auth", "htpasswd", "realm"), "may hold no quote and no line end")
    if auth.token is not None:
        _check_token(tree, auth.token)
    if auth.issuer is not None:
        if auth.htpasswd is None and auth.robots is None:
            tree.complain(("auth", "issuer"), "needs auth.htpasswd, which says who can log in")
        _check_issuer(tree, auth.issuer)
    for index, rule in enumerate(config.access or ()):
        _check_rule(tree, ("access", index), rule)


def _check_rule(tree: ConfigLayers, path: Path, rule: AccessRuleSection) -> None:
    if not rule.subjects:
        tree.complain((*path, "subjects"), "must name at least one")
    if not rule.repositories and not (rule.catalog and not rule.actions):
        tree.complain((*path, "repositories"), "must name at least one")
    if rule.catalog and "anonymous" not in rule.subjects:
        # Otherwise it would look as if other users could not.
        tree.complain(
            (*path, "catalog"), "is for anonymous: users may list what they may pull from anyway"
        )


def _check_token(tree: ConfigLayers, token: TokenSection) -> None:
    path = ("auth", "token")
    if not token.autoredirectpath.startswith("/"):
        tree.complain((*path, "autoredirectpath"), "must begin with a slash")
    for name in ("realm", "service", "issuer", "autoredirectpath"):
        value = getattr(token, name)
        if not value and not (name == "realm" and token.autoredirect):
            tree.complain((*path, name), "missing")
        if '"' in value or _CONTROL.search(value):
            tree.complain((*path, name), "may hold no quote and no line end")
    if not token.rootcertbundle and not token.jwks:
        tree.complain(path, "needs rootcertbundle or jwks: the keys that tokens are signed with")
    for index, name in enumerate(token.signingalgorithms):
        if name not in SIGNING_ALGORITHMS:
            known = ", ".join(SIGNING_ALGORITHMS)
            tree.complain((*path, "signingalgorithms", index), f"expected one of {known}")


def _check_issuer(tree: ConfigLayers, issuer: IssuerSection) -> None:
    if not _SERVICE.fullmatch(issuer.service):
        tree.complain(("auth", "issuer", "service"), "may hold letters, digits and . _ : -")
    if issuer.expiration < _LEAST_TOKEN_SECONDS:
        tree.complain(("auth", "issuer", "expiration"), "must be 60s at least")


def _check_headers(tree: ConfigLayers, path: Path, headers: Mapping[str, Sequence[str]]) -> None:
    for name, values in headers.items():
        if not _HEADER_NAME.fullmatch(name) or any(_CONTROL.search(value) for value in values):
            tree.complain((*path, name), "not a header's name, or not its value")


def _check_http(tree: ConfigLayers, http: HttpSection) -> None:
    prefix = http.prefix
    if prefix and not _PREFIX.fullmatch(prefix):
        tree.complain(
            ("http", "prefix"), f"must begin and end with a slash, as /path/ does, got {prefix!r}"
        )
    if http.host and _check_url(tree, ("http", "host"), http.host):
        parts = urlsplit(http.host)
        if "@" in parts.netloc or parts.query or parts.fragment or _NO_URL.search(http.host):
            tree.complain(("http", "host"), "expected https://name[:port][/path] and no more")
    _check_connections(tree, http)
    _check_origins(tree, http)
    _check_headers(tree, ("http", "headers"), http.headers)
    if http.net != "unix":
        _check_address(tree, ("http", "addr"), http.addr)
    if http.debug.addr:
        _check_address(tree, ("http", "debug", "addr"), http.debug.addr)
    if bool(http.tls.certificate) != bool(http.tls.key):
        tree.complain(("http", "tls"), "certificate and key go together")
    if http.tls.clientcas and not http.tls.certificate:
        tree.complain(("http", "tls", "clientcas"), "without a certificate there is no TLS")
    if not http.debug.prometheus.path.startswith("/"):
        tree.complain(("http", "debug", "prometheus", "path"), "must begin with a slash")


def _check_origins(tree: ConfigLayers, http: HttpSection) -> None:
    """Warn of what browsers would not take, though registry:2 sends it."""
    values = {name.lower(): (name, each) for name, each in http.headers.items()}
    name, origins = values.get("access-control-allow-origin", ("", []))
    for value in " ".join(origins).replace(",", " ").split():
        if value not in ("*", "null") and not _ORIGIN.fullmatch(value):
            expected = "expected https://name[:port], or * alone for any"
            tree.warnings.append(f"http.headers.{name}: {value!r} is not an origin; {expected}")
    credentials, allowed = values.get("access-control-allow-credentials", ("", []))
    if allowed and "*" in origins:
        reason = "it needs each origin by its name, and * is configured"
        tree.warnings.append(f"http.headers.{credentials} is ignored for *: {reason}")


def _check_connections(tree: ConfigLayers, http: HttpSection) -> None:
    for index, name in enumerate(http.proxies):
        _check_network(tree, ("http", "proxies", index), name)
    if http.limits.idle < 1:
        tree.complain(("http", "limits", "idle"), "must be 1s at least")


def _check_url(tree: ConfigLayers, path: Path, url: str) -> bool:
    """Complain of what is no URL; tell whether it is one."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:
        is_url = False
    if not is_url or not url.isascii():
        # What stands before an @ may be a password.
        got = "" if "@" in url else f", got {url!r}"
        tree.complain(path, f"expected https://name[:port]{got}")
        return False
    return True


def _check_address(tree: ConfigLayers, path: Path, addr: str) -> None:
    try:
        parse_address(addr)
    except ValueError as problem:
        tree.complain(path, f"{problem}, got {addr!r}")


def _check_network(tree: ConfigLayers, path: Path, name: str) -> None:
    try:
        parse_networks([name])
    except ValueError as problem:
        tree.complain(path, f"{problem}, got {name!r}")


def _check_pattern(tree: ConfigLayers, path: Path, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as problem:
        tree.complain(path, f"not a regular expression: {problem}")
