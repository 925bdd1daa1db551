"""
Load a configuration: from a file, the environment and options to a :class:`.model.Config`.
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
from .layers import ConfigError, ConfigLayers, shorten, suggest_key
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
from .scalar import convert_scalar
from .schema import Path, item_type, keys, section_type, value_type
from .storage import DRIVERS, StorageSection
from .unsupported import check_unsupported

#: The name of an endpoint, percent-encoded (three characters for one), is the name of a directory.
_MAX_NAME_LENGTH = 80

_SERVICE = re.compile(r"[A-Za-z0-9._:-]{1,100}")

#: Clients assume this lifetime of a token if the response does not contain one.
_MIN_TOKEN_SECONDS = 60

_PREFIX = re.compile(r"/|(?:/[A-Za-z0-9._~@:+-]+)+/")

#: Characters that could end the header, or the quotes, that contain a URL.
_NOT_IN_URL = re.compile(r"[^!#-;=?-\[\]_a-z~]")

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@*]+/?")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL_CHARACTER = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


@frozen
class ConfigFile:
    """
    The content of a configuration file.

    :ivar path: Its path, for messages.
    """

    path: str
    text: str


@frozen
class ConfigOption:
    """A command line option that sets a key."""

    name: str
    path: Path
    value: object


class ConfigInvalid(Exception):
    """
    The configuration cannot be used.

    :ivar errors: All errors.
    """

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


@frozen
class LoadedConfig:
    """
    A loaded configuration, valid or not.

    :ivar config: The typed configuration, with defaults in place of invalid values.
    :ivar layers: The values with their sources, errors and warnings.
    """

    config: Config
    layers: ConfigLayers

    def require(self) -> Config:
        """
        Return the configuration.

        :raises ConfigInvalid: The configuration has errors.
        """
        if self.layers.errors:
            raise ConfigInvalid(self.layers.errors)
        return self.config


def load(
    file: ConfigFile | None = None,
    environ: Mapping[str, str] | None = None,
    options: tuple[ConfigOption, ...] = (),
) -> LoadedConfig:
    """Load a configuration. Options override the environment, which overrides the file."""
    layers = ConfigLayers()
    if file is not None:
        _read_file(layers, file)
    apply_environment(layers, environ or {})
    for option in options:
        _apply_option(layers, option)
    _expand_plain_names(layers)
    _check_choice(layers, ("storage",), DRIVERS, "storage drivers")
    for others in (("none", "htpasswd"), ("none", "token"), ("issuer", "token")):
        # Contradictions: no logins together with a way to log in, or two issuers of tokens.
        _check_choice(layers, ("auth",), others, "auth types")
    _merge_headers(layers)
    _set_default_driver(layers)
    config = _convert(layers, Config, layers.values, ())
    _check_values(layers, config)
    check_unsupported(layers, config)
    return LoadedConfig(config, layers)


def _read_file(layers: ConfigLayers, file: ConfigFile) -> None:
    source = f"file {file.path}"
    try:
        values = parse_yaml(file.text.removeprefix("\ufeff"))
    except YamlInvalid as problem:
        text = str(problem)
        if not problem.path:
            line = f" in line {problem.line}" if problem.line is not None else ""
            text = f"the file is not YAML{line}: {text}"
        layers.errors.append(ConfigError(problem.path, source, text))
        layers.is_file_valid = False
        return
    if not isinstance(values, dict):
        layers.errors.append(ConfigError((), source, _describe_other(values)))
        layers.is_file_valid = False
        return
    layers.values = values
    layers.origin = source
    layers.sources.update((path, source) for path in _paths(values, ()))
    if "version" not in values:
        layers.errors.append(ConfigError(("version",), source, "missing; expected 0.1"))


def _describe_other(values: Any) -> str:
    """Say what a file holds that is no mapping."""
    if values is None:
        return "the file is empty; it begins with version: 0.1"
    kind = "a list" if isinstance(values, list) else "a text"
    return f"the file is {kind}, not a mapping of keys to values; it begins with version: 0.1"


def _paths(value: Any, path: Path) -> Iterator[Path]:
    """Return the paths of all single values."""
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from _paths(below, (*path, str(name)))
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))
    else:
        yield path


def _apply_option(layers: ConfigLayers, option: ConfigOption) -> None:
    values = layers.values
    for part in option.path[:-1]:
        below = values.get(str(part))
        if not isinstance(below, dict):
            below = values[str(part)] = {below: {}} if isinstance(below, str) else {}
        values = below
    values[str(option.path[-1])] = option.value
    layers.set_source(option.path, f"option {option.name}")


def _expand_plain_names(layers: ConfigLayers) -> None:
    """Replace a plain name, as in ``storage: inmemory``, by an empty section of that name."""
    for key in ("storage", "auth"):
        if isinstance(layers.values.get(key), str):
            layers.values[key] = {layers.values[key]: {}}
    for key, names in (("storage", DRIVERS), ("auth", AUTH_TYPES)):
        section = layers.values.get(key)
        if isinstance(section, dict):
            # "inmemory:" without a value means the same as "inmemory: {}".
            section.update({name: {} for name in names if name in section and not section[name]})


def _check_choice(layers: ConfigLayers, path: Path, names: tuple[str, ...], what: str) -> None:
    section = layers.value_at(path)
    chosen = [name for name in names if isinstance(section, dict) and name in section]
    if len(chosen) > 1:
        sources = ", ".join(f"{name} from {layers.source_of((*path, name))}" for name in chosen)
        layers.add_error(
            (*path, chosen[-1]), f"several {what}, but only one is possible: {sources}"
        )


def _set_default_driver(layers: ConfigLayers) -> None:
    section = layers.values.get("storage")
    if isinstance(section, dict) and not any(name in section for name in DRIVERS):
        section["filesystem"] = {}


def _merge_headers(layers: ConfigLayers) -> None:
    """Add the default headers that are not configured, ignoring case."""
    configured = layers.value_at(("http", "headers"))
    if not isinstance(configured, dict):
        return
    names: set[str] = set()
    for name in map(str, configured):
        if name.lower() in names:
            layers.add_error(("http", "headers", name), "given twice, in different case")
        names.add(name.lower())
    defaults = Config().http.headers
    kept = {name: list(v) for name, v in defaults.items() if name.lower() not in names}
    for name in kept:
        layers.sources[("http", "headers", name)] = "default"
    layers.values["http"]["headers"] = {**kept, **configured}


def _convert(layers: ConfigLayers, hint: Any, value: Any, path: Path) -> Any:
    """Convert a value to the type of its key; add an error for each part that is not valid."""
    section = section_type(hint)
    if section is not None:
        return _convert_section(layers, section, value, path)
    item, free = item_type(hint), value_type(hint)
    if item is not None:
        return _convert_list(layers, item, value, path)
    if free is not None and hint is not Any:
        if value is None:
            return {}
        if isinstance(value, dict):
            converted = {
                str(name): _convert(layers, free, below, (*path, str(name)))
                for name, below in value.items()
            }
            # Invalid values are None.
            return {name: below for name, below in converted.items() if below is not None}
        layers.add_error(path, "expected a mapping of keys to values")
        return {}
    return _convert_scalar(layers, hint, value, path)


def _convert_section(
    layers: ConfigLayers, section: type[msgspec.Struct], value: Any, path: Path
) -> msgspec.Struct:
    if value is None:
        return section()
    if not isinstance(value, dict):
        layers.add_error(path, "expected a section, a mapping of keys to values")
        return section()
    known_keys = keys(section)
    names = {field.encode_name: field.name for field in msgspec.structs.fields(section)}
    converted = {}
    for name, below in value.items():
        path_below = (*path, str(name))
        if name not in known_keys:
            layers.add_error(path_below, f"unknown key{suggest_key(path_below)}")
            continue
        result = _convert(layers, known_keys[name].type, below, path_below)
        if result is not None:
            converted[names[name]] = result
    return section(**converted)


def _convert_list(layers: ConfigLayers, item: Any, value: Any, path: Path) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        value = [value]
    converted = [_convert(layers, item, entry, (*path, index)) for index, entry in enumerate(value)]
    return [entry for entry in converted if entry is not None]


def _convert_scalar(layers: ConfigLayers, hint: Any, value: Any, path: Path) -> Any:
    """Convert a plain value; None, which leaves the default, where that fails."""
    if value is None or hint is Any:
        return value
    try:
        return convert_scalar(hint, value)
    except ValueError as problem:
        layers.add_error(path, f"{problem}, got {shorten(value)}")
        return None


def _check_values(layers: ConfigLayers, config: Config) -> None:
    """Check the values whose types allow more than the registry does."""
    if config.version != "0.1":
        layers.add_error(("version",), f"unsupported version {config.version!r}; expected 0.1")
    _check_http(layers, config.http)
    for index, tcp in enumerate(config.health.tcp):
        _check_address(layers, ("health", "tcp", index, "addr"), tcp.addr)
    for index, web in enumerate(config.health.http):
        _check_url(layers, ("health", "http", index, "uri"), web.uri)
    _check_notifications(layers, config.notifications)
    _check_storage(layers, config.storage)
    _check_access(layers, config)
    for name in ("allow", "deny"):
        for index, pattern in enumerate(getattr(config.validation.manifests.urls, name)):
            _check_pattern(layers, ("validation", "manifests", "urls", name, index), pattern)


def _check_storage(layers: ConfigLayers, storage: StorageSection) -> None:
    if not 0 < storage.limits.manifest <= MAX_MANIFEST_BYTES:
        most = f"{MAX_MANIFEST_BYTES} bytes"
        layers.add_error(("storage", "limits", "manifest"), f"must be between 1 and {most}")
    for prefix, size in storage.quota.items():
        if not size:
            layers.add_error(("storage", "quota", prefix), "must be greater than 0")


def _check_notifications(layers: ConfigLayers, notifications: NotificationsSection) -> None:
    names: set[str] = set()
    for index, endpoint in enumerate(notifications.endpoints):
        path = ("notifications", "endpoints", index)
        if endpoint.disabled:
            continue
        _check_url(layers, (*path, "url"), endpoint.url)
        if not 0 < len(endpoint.name) <= _MAX_NAME_LENGTH or endpoint.name in names:
            expected = f"expected a unique name of 1 to {_MAX_NAME_LENGTH} characters"
            layers.add_error((*path, "name"), f"{expected}, got {endpoint.name!r}")
        names.add(endpoint.name)
        _check_headers(layers, (*path, "headers"), endpoint.headers)


def _check_access(layers: ConfigLayers, config: Config) -> None:
    auth = config.auth
    if auth.htpasswd is not None:
        if not auth.htpasswd.path:
            layers.add_error(("auth", "htpasswd", "path"), "missing: the path of the file of users")
        if '"' in auth.htpasswd.realm or _CONTROL_CHARACTER.search(auth.htpasswd.realm):
            layers.add_error(
                ("auth", "htpasswd", "realm"), "must not contain quotes or line breaks"
            )
    if auth.token is not None:
        _check_token(layers, auth.token)
    if auth.issuer is not None:
        if auth.htpasswd is None and auth.robots is None:
            layers.add_error(("auth", "issuer"), "needs auth.htpasswd or auth.robots, for logins")
        _check_issuer(layers, auth.issuer)
    for index, rule in enumerate(config.access or ()):
        _check_rule(layers, ("access", index), rule)


def _check_rule(layers: ConfigLayers, path: Path, rule: AccessRuleSection) -> None:
    if not rule.subjects:
        layers.add_error((*path, "subjects"), "must name at least one")
    if not rule.repositories and not (rule.catalog and not rule.actions):
        layers.add_error((*path, "repositories"), "must name at least one")
    if rule.catalog and "anonymous" not in rule.subjects:
        # It would suggest that other users may not list the catalog.
        layers.add_error(
            (*path, "catalog"), "is for anonymous: users may list what they may pull from anyway"
        )


def _check_token(layers: ConfigLayers, token: TokenSection) -> None:
    path = ("auth", "token")
    if not token.autoredirectpath.startswith("/"):
        layers.add_error((*path, "autoredirectpath"), "must begin with a slash")
    for name in ("realm", "service", "issuer", "autoredirectpath"):
        value = getattr(token, name)
        if not value and not (name == "realm" and token.autoredirect):
            layers.add_error((*path, name), "missing")
        if '"' in value or _CONTROL_CHARACTER.search(value):
            layers.add_error((*path, name), "must not contain quotes or line breaks")
    if not token.rootcertbundle and not token.jwks:
        layers.add_error(path, "needs rootcertbundle or jwks: the keys that tokens are signed with")
    for index, name in enumerate(token.signingalgorithms):
        if name not in SIGNING_ALGORITHMS:
            supported = ", ".join(SIGNING_ALGORITHMS)
            layers.add_error((*path, "signingalgorithms", index), f"expected one of {supported}")


def _check_issuer(layers: ConfigLayers, issuer: IssuerSection) -> None:
    if not _SERVICE.fullmatch(issuer.service):
        layers.add_error(
            ("auth", "issuer", "service"), "must consist of letters, digits and . _ : -"
        )
    if issuer.expiration < _MIN_TOKEN_SECONDS:
        layers.add_error(("auth", "issuer", "expiration"), "must be at least 60s")


def _check_headers(layers: ConfigLayers, path: Path, headers: Mapping[str, Sequence[str]]) -> None:
    for name, values in headers.items():
        if not _HEADER_NAME.fullmatch(name) or any(
            _CONTROL_CHARACTER.search(value) for value in values
        ):
            layers.add_error((*path, name), "not a valid name or value of a header")


def _check_http(layers: ConfigLayers, http: HttpSection) -> None:
    prefix = http.prefix
    if prefix and not _PREFIX.fullmatch(prefix):
        layers.add_error(
            ("http", "prefix"), f"must begin and end with a slash, as /path/ does, got {prefix!r}"
        )
    if http.host and _check_url(layers, ("http", "host"), http.host):
        parts = urlsplit(http.host)
        if "@" in parts.netloc or parts.query or parts.fragment or _NOT_IN_URL.search(http.host):
            layers.add_error(("http", "host"), "expected https://name[:port][/path]")
    _check_connections(layers, http)
    _check_origins(layers, http)
    _check_headers(layers, ("http", "headers"), http.headers)
    if http.net != "unix":
        _check_address(layers, ("http", "addr"), http.addr)
    if http.debug.addr:
        _check_address(layers, ("http", "debug", "addr"), http.debug.addr)
    if bool(http.tls.certificate) != bool(http.tls.key):
        layers.add_error(("http", "tls"), "needs both certificate and key")
    if http.tls.clientcas and not http.tls.certificate:
        layers.add_error(("http", "tls", "clientcas"), "needs http.tls.certificate")
    if not http.debug.prometheus.path.startswith("/"):
        layers.add_error(("http", "debug", "prometheus", "path"), "must begin with a slash")


def _check_origins(layers: ConfigLayers, http: HttpSection) -> None:
    """Add warnings for CORS headers that browsers reject, though registry:2 sends them."""
    values = {name.lower(): (name, lines) for name, lines in http.headers.items()}
    name, origins = values.get("access-control-allow-origin", ("", []))
    for value in " ".join(origins).replace(",", " ").split():
        if value not in ("*", "null") and not _ORIGIN.fullmatch(value):
            expected = "expected https://name[:port], or * for any origin"
            layers.warnings.append(f"http.headers.{name}: {value!r} is not an origin; {expected}")
    credentials, allowed = values.get("access-control-allow-credentials", ("", []))
    if allowed and "*" in origins:
        reason = "browsers accept it only with named origins"
        layers.warnings.append(f"http.headers.{credentials} is ignored for *: {reason}")


def _check_connections(layers: ConfigLayers, http: HttpSection) -> None:
    for index, name in enumerate(http.proxies):
        _check_network(layers, ("http", "proxies", index), name)
    if http.limits.idle < 1:
        layers.add_error(("http", "limits", "idle"), "must be at least 1s")


def _check_url(layers: ConfigLayers, path: Path, url: str) -> bool:
    """Return whether a text is a URL; add an error if it is not."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:
        is_url = False
    if not is_url or not url.isascii():
        # The text before an @ may be a password.
        got = "" if "@" in url else f", got {url!r}"
        layers.add_error(path, f"expected https://name[:port]{got}")
        return False
    return True


def _check_address(layers: ConfigLayers, path: Path, addr: str) -> None:
    try:
        parse_address(addr)
    except ValueError as problem:
        layers.add_error(path, f"{problem}, got {addr!r}")


def _check_network(layers: ConfigLayers, path: Path, name: str) -> None:
    try:
        parse_networks([name])
    except ValueError as problem:
        layers.add_error(path, f"{problem}, got {name!r}")


def _check_pattern(layers: ConfigLayers, path: Path, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as problem:
        layers.add_error(path, f"not a regular expression: {problem}")
