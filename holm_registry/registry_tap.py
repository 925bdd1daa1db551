"""
The registry as a twistd plugin: options in, a service out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.application.service import IService
from twisted.logger import Logger

from .config.load import ConfigFile, ConfigInvalid, ConfigOption, LoadedConfig, load
from .config.model import Config
from .config.parse import decode_text
from .server.plugin_options import PluginOptions, end, give_memory_back
from .storage.permissions import why_unusable

if TYPE_CHECKING:
    from .server.builder import Services
    from .threads import PooledThreads

#: Where a configuration is looked for if nobody says where: registry:2's place, then registry:3's.
DEFAULT_FILES = ("/etc/docker/registry/config.yml", "/etc/distribution/config.yml")

_log = Logger()

#: How long the debug server may finish what is in flight, in seconds.
DEBUG_DRAIN_SECONDS = 2.0


def fail(*lines: object) -> NoReturn:
    """End the process before it serves anything, saying why in a line each."""
    end("holm-registry", *lines)


def read_configuration(
    path: str | None,
    environ: Mapping[str, str],
    options: tuple[ConfigOption, ...] = (),
    default_files: Sequence[str] = DEFAULT_FILES,
) -> LoadedConfig:
    """
    Find and load the configuration.

    :param path: The file that was asked for; None to look where the environment says, then at the
        default places.
    :raises OSError: A file was asked for and cannot be read.
    """
    path = path or environ.get("REGISTRY_CONFIGURATION_PATH")
    if path is None:
        path = next((each for each in default_files if os.path.exists(each)), None)
    if path is None:
        return load(None, environ, options)
    with open(path, "rb") as file:
        return load(ConfigFile(path, decode_text(file.read())), environ, options)


class Options(PluginOptions):
    """
    Options of ``twistd holm-registry``. Everything else is in the configuration file or the
    environment.
    """

    program = "holm-registry"
    synopsis = "[--config FILE] [--listen tcp:5000] [--root DIR] [--log-level LEVEL]"
    longdesc = "A container registry: docker push and pull, on the volume of registry:2."

    optParameters = [  # noqa: RUF012 - Twisted's interface
        ["config", "c", None, "Configuration file, in the format of registry:2."],
        ["listen", "l", None, "Where to listen: tcp:5000, unix:/path, 127.0.0.1:5000."],
        ["root", "r", None, "Folder to store everything in."],
        ["log-level", None, None, "error, warn, info or debug."],
    ]

    environ: Mapping[str, str] = os.environ
    loaded: LoadedConfig

    def postOptions(self) -> None:
        """Load the configuration, or end with a line for each complaint."""
        try:
            self.loaded = self.read()
            self.loaded.require()
        except OSError as problem:
            fail(f"configuration file {problem.filename}: {problem.strerror}")
        except ConfigInvalid as problem:
            fail(*problem.errors)
        log = self.config.log
        self.configure_logging(self.config.log_level, log.formatter, log.fields)

    def read(self) -> LoadedConfig:
        """
        Load the configuration.

        :raises OSError: Its file cannot be read.
        """
        return read_configuration(self["config"], self.environ, tuple(self._given()))

    @property
    def config(self) -> Config:
        """The configuration that was loaded."""
        return self.loaded.config

    def _given(self) -> list[ConfigOption]:
        paths = {
            "root": ("storage", "filesystem", "rootdirectory"),
            "log-level": ("log", "level"),
        }
        return [
            ConfigOption(f"--{name}", path, self[name])
            for name, path in paths.items()
            if self[name] is not None
        ]


def makeService(options: Options, reactor: Any = None) -> IService:
    """Make the service that options and configuration describe."""
    give_memory_back()
    if reactor is None:
        from twisted.internet import reactor  # noqa: PLC0415 - only now is it settled which
    from .server.auth import AccessInvalid  # noqa: PLC0415
    from .server.builder import build  # noqa: PLC0415 - imports klein
    from .server.config_reload import ConfigReloader  # noqa: PLC0415
    from .server.lifecycle import Lifecycle  # noqa: PLC0415
    from .server.signals import SignalHandler  # noqa: PLC0415

    config = options.config
    _require_root(options.loaded)
    try:
        parts = build(config, reactor)
    except AccessInvalid as problem:
        fail(problem)
    reload = ConfigReloader(options, parts.site, parts.audit)
    sites, pools = [_serving(options, parts, reactor)], parts.pools
    if config.http.debug.addr:
        debugging, threads = _debugging(options, parts, reactor)
        sites.append(debugging)
        pools = [*pools, threads]
    return Lifecycle(sites, [*parts.services, SignalHandler(reactor, reload)], pools)


def _serving(options: Options, parts: Services, reactor: Any) -> IService:
    from .server.site_service import SiteService  # noqa: PLC0415

    return SiteService(
        reactor,
        parts.site,
        where=_where(options, reactor),
        refuse=lambda why: fail(f"http.addr: {why}"),
        drain_seconds=options.config.http.draintimeout,
        greeting=_greeting(options),
        tls=_tls(options.config),
        warnings=options.loaded.layers.warnings,
    )


def _tls(config: Config) -> Any:
    tls = config.http.tls
    if not tls.certificate:
        return None
    from .http.tls import Tls, TlsInvalid, TlsSettings  # noqa: PLC0415 - memory

    settings = TlsSettings(
        tls.certificate,
        tls.key,
        tuple(tls.clientcas),
        tls.clientauth or "require-and-verify-client-cert",
        "tls1.3" if tls.minimumtls == "tls1.3" else "tls1.2",
        tuple(tls.ciphersuites),
    )
    try:
        return Tls(settings, lambda line: _log.info("{line}", line=line))
    except TlsInvalid as problem:
        fail(f"http.tls: {problem}")


def _debugging(options: Options, parts: Services, reactor: Any) -> tuple[IService, PooledThreads]:
    from .server.builder import build_debug  # noqa: PLC0415
    from .server.endpoints import endpoint  # noqa: PLC0415
    from .server.site_service import SiteService  # noqa: PLC0415

    site, threads = build_debug(options.config, parts, reactor)
    path = ("http", "debug", "addr")
    try:
        where = endpoint(reactor, options.config.http.debug.addr)
    except OSError as problem:
        fail(f"http.debug.addr: {problem.strerror} (from {options.loaded.layers.source_of(path)})")
    service = SiteService(
        reactor,
        site,
        where=where,
        refuse=lambda why: fail(f"http.debug.addr: {why}"),
        drain_seconds=DEBUG_DRAIN_SECONDS,
        greeting="Debug server",
    )
    return service, threads


def _where(options: Options, reactor: Any) -> Any:
    from .server.endpoints import described_endpoint, endpoint  # noqa: PLC0415 - imports endpoints

    listen, http = options["listen"], options.config.http
    source = options.loaded.layers.source_of(("http", "addr"))
    try:
        if listen is not None:
            return described_endpoint(reactor, listen)
        return endpoint(reactor, http.addr, http.net)
    except ValueError as problem:
        fail(f"option --listen: {problem}, got {listen!r}")
    except OSError as problem:
        fail(f"http.addr: {problem.strerror} (from {source})")


def _require_root(loaded: LoadedConfig) -> None:
    """Make sure that the store can be used, before anybody is told that it is served."""
    storage = loaded.config.storage
    if storage.filesystem is None:
        return
    writing = not storage.maintenance.readonly.enabled
    problem = why_unusable(storage.filesystem.rootdirectory, writing=writing)
    if problem is not None:
        path = ("storage", "filesystem", "rootdirectory")
        lines = [f"{'.'.join(path)}: {problem} (from {loaded.layers.source_of(path)})"]
        if writing and why_unusable(storage.filesystem.rootdirectory, writing=False) is None:
            option = "storage.maintenance.readonly.enabled"
            lines.append(f"to serve what is on it, and take no pushes, set {option} to true")
        fail(*lines)


def _greeting(options: Options) -> str:
    from . import __version__  # noqa: PLC0415

    storage = options.config.storage
    where = "memory" if storage.filesystem is None else storage.filesystem.rootdirectory
    configuration = re.sub(r"^default$", "defaults", options.loaded.layers.source_of(()))
    return f"Holm Registry {__version__}, configuration from {configuration}, storage in {where}"
