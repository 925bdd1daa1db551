"""Checks of values that their types cannot express: addresses, URLs, names, contradictions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from holm_registry.oci.manifest import MAX_MANIFEST_BYTES

from .addresses import parse_address, parse_networks
from .http import HttpSection
from .layers import ConfigLayers
from .model import (
    SIGNING_ALGORITHMS,
    AccessRuleSection,
    Config,
    IssuerSection,
    NotificationsSection,
    TokenSection,
)
from .schema import Path
from .storage import StorageSection

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


def check_values(layers: ConfigLayers, config: Config) -> None:
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
