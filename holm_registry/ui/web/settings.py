"""
The settings of the UI: options and environment variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from attrs import Factory, frozen

from holm_registry.config.addresses import Network, parse_address, parse_networks
from holm_registry.http.trusted_proxies import parse_host, parse_prefix
from holm_registry.oci.errors import RegistryError
from holm_registry.oci.names import parse_repository

DEFAULT_REGISTRY_URL = "http://registry.holm.svc.cluster.local:5000"
DEFAULT_PORT = "8080"
DEFAULT_PROXIES = "loopback,private"

T = TypeVar("T")


class SettingInvalid(Exception):
    """A setting that cannot be used; the text says which, why, and where it came from."""


class _Secret(Exception):
    """Something is wrong with a value that must not be repeated."""


@frozen
class UiSettings:
    """
    :ivar registry_url: Where ``/v2/`` is, without a slash at its end.
    :ivar public_registry: ``host:port`` as the cluster's machines reach the registry.
    :ivar listen: ``host:port``; without a host every address of the machine.
    :ivar repositories: What to show where the registry does not list its repositories.
    :ivar allowed_hosts: Further names under which the UI is reached, with or without a port.
    :ivar base_path: The path below which visitors see the UI, without a slash at its end.
    :ivar show_urls: Whether errors name the registry's own address, which may be an internal one.
    :ivar proxies: The networks of trusted proxies, and whether local sockets lead to one.
    """

    registry_url: str
    public_registry: str
    listen: str
    repositories: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    base_path: str = ""
    show_urls: bool = False
    proxies: tuple[list[Network], bool] = Factory(lambda: _parse_proxies(DEFAULT_PROXIES))


def read_settings(options: Mapping[str, str | None], environ: Mapping[str, str]) -> UiSettings:
    """
    Settle each setting: an option, else the environment, else the default.

    An empty variable counts as none.

    :param options: ``registry-url``, ``public-registry``, ``port``, ``repositories``,
        ``allowed-hosts``, ``base-path``, ``trusted-proxies``; None where an option was not given.
    :raises SettingInvalid: One of them cannot be used.
    """

    def settle(name: str, default: str, parse: Callable[[str], T]) -> T:
        variable = name.upper().replace("-", "_")
        value, source = options.get(name), f"option --{name}"
        if value is None:
            value, source = environ.get(variable) or None, f"environment variable {variable}"
        try:
            return parse(default if value is None else value)
        except _Secret as problem:
            raise SettingInvalid(f"{source}: {problem}") from None
        except (ValueError, RegistryError) as problem:
            raise SettingInvalid(f"{source}: {problem}, got {value!r}") from problem

    registry_url = settle("registry-url", DEFAULT_REGISTRY_URL, _parse_registry_url)
    return UiSettings(
        registry_url,
        settle("public-registry", urlsplit(registry_url).netloc, _parse_public_registry),
        settle("port", DEFAULT_PORT, _parse_port),
        settle("repositories", "", _parse_repositories),
        settle("allowed-hosts", "", _parse_hosts),
        settle("base-path", "", _parse_base_path),
        options.get("log-level") == "debug",
        settle("trusted-proxies", DEFAULT_PROXIES, _parse_proxies),
    )


def _parse_registry_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("expected http://HOST:PORT or https://HOST:PORT")
    if url.username is not None:
        raise _Secret("a URL may hold no login: visitors log in with their own")
    if url.query or url.fragment:
        raise ValueError("a registry's URL has no query")
    _require_port(url)
    return text.rstrip("/").removesuffix("/v2")


def _require_port(url: SplitResult) -> None:
    try:
        _ = url.port
    except ValueError as problem:
        raise ValueError("a port is a number up to 65535") from problem


def _parse_public_registry(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    host = (rest if separator and scheme in ("http", "https") else text).rstrip("/")
    if not host or any(character in host for character in " /@?#\\") or not host.isprintable():
        raise ValueError("expected HOST:PORT, as pull commands are to show it")
    return host


def _parse_port(text: str) -> str:
    listen = text if ":" in text else f":{text}"
    parse_address(listen)
    return listen


def _parse_repositories(text: str) -> tuple[str, ...]:
    return tuple(parse_repository(name) for name in text.replace(",", " ").split())


def _parse_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(text.lower().replace(",", " ").split())
    for host in hosts:
        if parse_host(host) is None:
            raise ValueError("expected names such as ui.example.com or ui.example.com:8443")
    return hosts


def _parse_base_path(text: str) -> str:
    path = text.rstrip("/")
    if path and parse_prefix(path) != path:
        raise ValueError("expected a path such as /ui")
    return path


def _parse_proxies(text: str) -> tuple[list[Network], bool]:
    """Read networks; ``none`` alone stands for none of them."""
    names = text.replace(",", " ").split()
    return parse_networks([] if names == ["none"] else names)
