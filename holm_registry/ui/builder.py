"""
The UI put together: client, memory, templates, site.
"""

from __future__ import annotations

import sys
from typing import Any

from attrs import frozen
from jinja2 import Environment
from twisted.application.service import IService
from twisted.web.client import Agent
from twisted.web.iweb import IAgent

from holm_registry.http.connection_limits import ConnectionTimeouts
from holm_registry.http.request import StreamedRequest
from holm_registry.http.site import StreamingSite
from holm_registry.http.trusted_proxies import TrustedProxies
from holm_registry.logs.access_log import AccessLogWriter
from holm_registry.threads import PooledThreads, Threads

from .app import UiResource
from .client.bounded_connections import BoundedPool
from .client.client import RegistryClient
from .client.concurrency import ConcurrencyLimit
from .client.exchange import IN_FLIGHT, Exchange
from .client.plain_agent import plain_client
from .web.assets import find_templates, load_assets
from .web.context import UiContext
from .web.metrics import UiMetrics
from .web.rendering import Templates
from .web.settings import UiSettings
from .web.unrouted import UnroutedErrors

#: Views and templates are worked out in threads. More would only take turns, and each may need
#: memory for a hundred thousand rows.
THREADS = 2

_CONNECT_SECONDS = 5.0

#: How long a request's headers may take, in seconds.
HEADER_SECONDS = 30.0


def build_context(
    settings: UiSettings, reactor: Any, threads: Threads, agent: IAgent, environment: Environment
) -> UiContext:
    """
    Make the parts of the UI.

    :param agent: Makes the requests to the registry.
    :param environment: The templates.
    """
    assets = load_assets(find_templates() / "static")
    exchange = Exchange(plain_client(agent), reactor, ConcurrencyLimit(IN_FLIGHT))
    client = RegistryClient(exchange, settings.registry_url)

    def may_gain(request: StreamedRequest) -> bool:
        return context.registry_view(request).may_gain

    def base_of(request: StreamedRequest) -> str:
        return context.base(request)

    templates = Templates(environment, assets, threads, may_gain, base_of)
    metrics = UiMetrics(reactor, exchange)
    context = UiContext(settings, client, reactor, threads, templates, assets, metrics)
    return context


@frozen
class UiServices:
    """
    A UI's parts, put together and not yet begun.

    :ivar services: What runs beside the site.
    """

    site: StreamingSite
    threads: PooledThreads
    services: list[IService]


def build(settings: UiSettings, reactor: Any, environment: Environment) -> UiServices:
    """Make the parts that serve the UI."""
    threads = PooledThreads(reactor, THREADS)
    pool = BoundedPool(reactor)
    pool.maxPersistentPerHost = IN_FLIGHT
    agent = Agent(reactor, connectTimeout=_CONNECT_SECONDS, pool=pool)
    context = build_context(settings, reactor, threads, agent, environment)
    # Standard output is twistd's to redirect; what it was at the start is where the log belongs.
    write_log = None if sys.__stdout__ is None else AccessLogWriter(sys.__stdout__).write
    metrics = context.metrics
    limits = ConnectionTimeouts(HEADER_SECONDS, connections=0, connections_per_address=0).fitted()
    networks, local = settings.proxies
    site = StreamingSite(
        UiResource(context),
        reactor,
        write_log=write_log,
        observer=metrics.observer,
        limits=limits,
        proxies=TrustedProxies(networks, local=local),
        errors=UnroutedErrors(context),
    )
    return UiServices(site, threads, [metrics.reactor_latency])
