"""
The sites of a registry: the one for its API, and the debug server's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from holm_registry.api.app import ApiResource
from holm_registry.api.context import ApiContext
from holm_registry.config.addresses import parse_networks
from holm_registry.config.http import HttpSection
from holm_registry.config.model import Config
from holm_registry.health.monitor import HealthMonitor
from holm_registry.http.connection_limits import ConnectionTimeouts
from holm_registry.http.site import RequestObserver, StreamingSite
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.logs.access_log import AccessLogWriter
from holm_registry.metrics.resource import MetricsSource
from holm_registry.threads import Threads

from .debug import DebugRoutes

#: The debug server has few clients. Its connections use file descriptors that the limits of the
#: other site do not count.
_DEBUG_CONNECTIONS = 16


def build_site(
    config: Config, reactor: Any, context: ApiContext, observer: RequestObserver | None
) -> StreamingSite:
    """Make the site of the API."""
    return StreamingSite(
        ApiResource(context, config.http.headers, config.http.prefix or "/"),
        reactor,
        write_log=access_log_writer(config),
        observer=observer,
        limits=_connection_limits(config.http),
        proxies=_trusted_proxies(config.http.proxies),
    )


def build_debug_site(
    config: Config,
    reactor: Any,
    threads: Threads,
    health: HealthMonitor,
    metrics: MetricsSource | None,
) -> StreamingSite:
    """Make the site of the debug server."""
    routes = DebugRoutes(health, threads, metrics, config.http.debug.prometheus.path)
    limits = ConnectionTimeouts(
        connections=_DEBUG_CONNECTIONS, connections_per_address=_DEBUG_CONNECTIONS
    )
    return StreamingSite(routes.resource(), reactor, limits=limits)


def access_log_writer(config: Config) -> Callable[[str], object] | None:
    """Return the function that writes a line of the access log; None if it is disabled."""
    # Not sys.stdout, which twistd redirects into its own log.
    if config.log.accesslog.disabled or sys.__stdout__ is None:
        return None
    return AccessLogWriter(sys.__stdout__).write


def _connection_limits(http: HttpSection) -> ConnectionTimeouts:
    limits = http.limits
    return ConnectionTimeouts(
        limits.headers,
        limits.body,
        limits.connections,
        limits.connectionsperaddress,
        limits.uploadsperaddress,
        limits.requestspersecond,
        limits.idle,
    ).fitted(tls=bool(http.tls.certificate))


def _trusted_proxies(names: Sequence[str]) -> TrustedProxies:
    networks, local = parse_networks(names)
    return TrustedProxies(networks, local=local)
