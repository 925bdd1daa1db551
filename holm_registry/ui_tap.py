"""
The UI as a twistd plugin: options in, a service out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService

from .server.plugin_options import PluginOptions, configure_malloc, release_import_memory
from .ui.web.settings import SettingInvalid, UiSettings, read_settings

if TYPE_CHECKING:
    from jinja2 import Environment

#: How long requests in flight may take when the UI stops, in seconds.
DRAIN_SECONDS = 25.0


# twistd finds both `Options` and `makeService` by these names, in each plugin's module: so the
# registry and the UI each have a class of this name.
class Options(PluginOptions):
    """Options of ``twistd holm-ui``; most can be set in the environment as well."""

    program = "holm-ui"
    synopsis = "[--port 8080] [--registry-url URL] [--public-registry HOST:PORT]"
    longdesc = "A web UI for any container registry."

    optParameters = [  # noqa: RUF012 - Twisted's interface
        ["port", "p", None, "Where to listen: 8080, or 127.0.0.1:8080 (PORT)."],
        ["registry-url", "r", None, "The registry to show (REGISTRY_URL)."],
        ["public-registry", None, None, "The registry in pull commands (PUBLIC_REGISTRY)."],
        [
            "repositories",
            None,
            None,
            "Repositories of a registry without catalog, separated by commas (REPOSITORIES).",
        ],
        [
            "allowed-hosts",
            None,
            None,
            "Further host names of the UI, separated by commas (ALLOWED_HOSTS).",
        ],
        [
            "base-path",
            None,
            None,
            "The path of the UI behind a proxy, such as /ui (BASE_PATH).",
        ],
        [
            "trusted-proxies",
            None,
            None,
            "Networks of trusted proxies, separated by commas (TRUSTED_PROXIES).",
        ],
        ["log-level", None, "info", "error, warn, info or debug."],
        ["log-format", None, "text", "text, json or logstash."],
    ]

    environ: Mapping[str, str] = os.environ
    settings: UiSettings

    def postOptions(self) -> None:
        """Read all settings, or end with a line that names the bad one."""
        try:
            self.settings = read_settings(self, self.environ)
        except SettingInvalid as problem:
            self.fail(problem)
        if self["log-level"] not in ("error", "warn", "info", "debug"):
            self.fail(f"option --log-level: error, warn, info or debug, got {self['log-level']!r}")
        if self["log-format"] not in ("text", "json", "logstash"):
            self.fail(f"option --log-format: text, json or logstash, got {self['log-format']!r}")
        self.configure_logging(self["log-level"], self["log-format"])


def makeService(options: Options, reactor: Any = None) -> IService:
    """Make the service that the options describe."""
    configure_malloc(arenas=1)
    if reactor is None:
        # Not at the top: twistd's option --reactor chooses which one is installed.
        from twisted.internet import reactor  # noqa: PLC0415
    release_import_memory()
    environment = _compiled_templates(options.settings)
    from . import __version__  # noqa: PLC0415
    from .server.endpoints import endpoint_from_address  # noqa: PLC0415 - imports endpoints
    from .server.lifecycle import Lifecycle  # noqa: PLC0415
    from .server.signals import SignalHandler  # noqa: PLC0415
    from .server.site_service import SiteService  # noqa: PLC0415
    from .ui.builder import build  # noqa: PLC0415 - imports klein

    settings = options.settings
    try:
        where = endpoint_from_address(reactor, settings.listen)
    except OSError as problem:
        options.fail(f"port: {problem.strerror}")
    services = build(settings, reactor, environment)
    site_service = SiteService(
        reactor,
        services.site,
        endpoint=where,
        fail=lambda why: options.fail(f"port: {why}"),
        drain_seconds=DRAIN_SECONDS,
        greeting=f"Holm UI {__version__}, showing {settings.registry_url}",
    )
    release_import_memory()
    background = [*services.services, SignalHandler(reactor)]
    return Lifecycle([site_service], background, [services.threads])


def _compiled_templates(settings: UiSettings) -> Environment:
    """Compile the templates before the UI's modules are imported, which reuse the freed memory."""
    from .ui.web.assets import find_templates  # noqa: PLC0415
    from .ui.web.template_environment import compile_all, make_environment  # noqa: PLC0415 - imports jinja2

    environment = make_environment(find_templates(), settings)
    compile_all(environment)
    return environment
