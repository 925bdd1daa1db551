"""
The registry as a twistd plugin: options in, a service out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from twisted.application.service import IService

from .config.load import ConfigFile, ConfigInvalid, ConfigOption, LoadedConfig, load
from .config.model import Config
from .config.parse import decode_text
from .server.plugin_options import PluginOptions, configure_malloc, exit_with_error

#: Where a configuration is looked for by default: the path of registry:2, then that of registry:3.
DEFAULT_FILES = ("/etc/docker/registry/config.yml", "/etc/distribution/config.yml")


def fail(*lines: object) -> NoReturn:
    """End the process before it serves anything; write each line to standard error."""
    exit_with_error("holm-registry", *lines)


def read_configuration(
    path: str | None,
    environ: Mapping[str, str],
    options: tuple[ConfigOption, ...] = (),
    default_files: Sequence[str] = DEFAULT_FILES,
) -> LoadedConfig:
    """
    Find and load the configuration.

    :param path: The configuration file; None for the one that the environment names, then the first
        of ``default_files`` that exists.
    :raises OSError: The file cannot be read.
    """
    path = path or environ.get("REGISTRY_CONFIGURATION_PATH")
    if path is None:
        path = next((default for default in default_files if os.path.exists(default)), None)
    if path is None:
        return load(None, environ, options)
    with open(path, "rb") as file:
        return load(ConfigFile(path, decode_text(file.read())), environ, options)


# twistd finds both `Options` and `makeService` by these names, in each plugin's module: so the
# registry and the UI each have a class of this name.
class Options(PluginOptions):
    """
    Options of ``twistd holm-registry``; all other settings are in the configuration file or in the
    environment.
    """

    program = "holm-registry"
    synopsis = "[--config FILE] [--listen tcp:5000] [--root DIR] [--log-level LEVEL]"
    longdesc = "A container registry: docker push and pull, on the volume of registry:2."

    optParameters = [  # noqa: RUF012 - Twisted's interface
        ["config", "c", None, "Configuration file, in the format of registry:2."],
        ["listen", "l", None, "Where to listen: tcp:5000, unix:/path, 127.0.0.1:5000."],
        ["root", "r", None, "Directory of the storage."],
        ["log-level", None, None, "error, warn, info or debug."],
    ]

    environ: Mapping[str, str] = os.environ
    loaded: LoadedConfig

    def postOptions(self) -> None:
        """Load the configuration, or end with a line for each error in it."""
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
        return read_configuration(self["config"], self.environ, tuple(self._overrides()))

    @property
    def config(self) -> Config:
        """The configuration that was loaded."""
        return self.loaded.config

    def _overrides(self) -> list[ConfigOption]:
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
    configure_malloc()
    if reactor is None:
        # Not at the top: twistd's option --reactor chooses which one is installed.
        from twisted.internet import reactor  # noqa: PLC0415
    # It imports Klein, which installs a reactor.
    from .server.errors import StartupError  # noqa: PLC0415
    from .server.registry_service import make_registry_service  # noqa: PLC0415

    try:
        return make_registry_service(options, reactor, listen=options["listen"], fail=fail)
    except StartupError as problem:
        fail(*problem.lines)
