"""
The UI as a twistd plugin: options in, a service out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService

from .server.plugin_options import PluginOptions, give_back_what_loading_took, give_memory_back
from .ui.web.settings import SettingInvalid, UiSettings, read_settings

if TYPE_CHECKING:
    from jinja2 import Environment

#: How long to finish what is in flight when stopping, in seconds.
DRAIN_SECONDS = 25.0


class Options(PluginOptions):
    """Options of ``twistd holm-ui``; each can be given in the environment as well."""

    program = "holm-ui"
    synopsis = "[--port 8080] [--registry-url URL] [--public-registry HOST:PORT]"
    longdesc = "A web UI for any container registry."

    optParameters = [  # noqa: RUF012 - Twisted's interface
        ["port", "p", None, "Where to listen: 8080, or 127.0.0.1:8080 (PORT)."],
        ["registry-url", "r", None, "The registry to show (REGISTRY_URL)."],
        ["public-registry", None, None, "Its host:port in pull commands (PUBLIC_REGISTRY)."],
        [
            "repositories",
            None,
            None,
            "Names to show where the registry lists none, with commas (REPOSITORIES).",
        ],
        [
            "allowed-hosts",
            None,
            None,
            "Further names the UI is reached by, with commas (ALLOWED_HOSTS).",
        ],
        [
            "base-path",
            None,
            None,
            "The path below which visitors see the UI, such as /ui (BASE_PATH).",
        ],
        [
            "trusted-proxies",
            None,
            None,
            "Networks of proxies whose headers are believed, with commas (TRUSTED_PROXIES).",
        ],
        ["log-level", None, "info", "error, warn, info or debug."],
        ["log-format", None, "text", "text, json or logstash."],
    ]

    environ: Mapping[str, str] = os.environ
    settings: UiSettings

    def postOptions(self) -> None:
        """Settle every setting, or end with a line."""
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
    give_memory_back(arenas=1)
    if reactor is None:
        from twisted.internet import reactor  # noqa: PLC0415 - only now is it settled which
    give_back_what_loading_took()
    environment = _compiled_templates(options.settings)
    from . import __version__  # noqa: PLC0415
    from .server.endpoints import endpoint  # noqa: PLC0415 - imports endpoints
    from .server.lifecycle import Lifecycle  # noqa: PLC0415
    from .server.signals import SignalHandler  # noqa: PLC0415
    from .server.site_service import SiteService  # noqa: PLC0415
    from .ui.builder import build  # noqa: PLC0415 - imports klein

    settings = options.settings
    try:
        where = endpoint(reactor, settings.listen)
    except OSError as problem:
        options.fail(f"port: {problem.strerror}")
    parts = build(settings, reactor, environment)
    serving = SiteService(
        reactor,
        parts.site,
        where=where,
        refuse=lambda why: options.fail(f"port: {why}"),
        drain_seconds=DRAIN_SECONDS,
        greeting=f"Holm UI {__version__}, showing {settings.registry_url}",
    )
    give_back_what_loading_took()
    return Lifecycle([serving], [*parts.services, SignalHandler(reactor)], [parts.threads])


def _compiled_templates(settings: UiSettings) -> Environment:
    """Compile the templates: before the rest of the UI is loaded, which uses that memory again."""
    from .ui.web.assets import find_templates  # noqa: PLC0415
    from .ui.web.template_environment import compile_all, make_environment  # noqa: PLC0415 - imports jinja2

    environment = make_environment(find_templates(), settings)
    compile_all(environment)
    return environment
