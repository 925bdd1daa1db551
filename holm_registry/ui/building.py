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

from holm_registry.http.limits import Limits
from holm_registry.http.proxies import Proxies
from holm_registry.http.request import StreamedRequest
from holm_registry.http.site import StreamingSite
from holm_registry.logs.access import AccessLog
from holm_registry.threads import PooledThreads, Threads

from .app import UiResource
from .assets import find_templates, load_assets
from .client import RegistryClient
from .connections import BoundedPool
from .context import Context
from .exchange import IN_FLIGHT, Exchange
from .figures import UiFigures
from .gate import Gate
from .plain_agent import plain_client
from .rendering import Templates
from .settings import Settings
from .unrouted import UnroutedErrors

#: Views and templates are worked out in threads. More would only take turns, and each may need
#: memory for a hundred thousand rows.
THREADS = 2

_CONNECT_SECONDS = 5.0

#: How long a request's headers may take, in seconds.
HEADER_SECONDS = 30.0


def build_context(
    settings: Settings, reactor: Any, threads: Threads, agent: IAgent, environment: Environment
) -> Context:
    """
    Make the parts of the UI.

    :param agent: Makes the requests to the registry.
    :param environment: The templates.
    """
    assets = load_assets(find_templates() / "static")
    exchange = Exchange(plain_client(agent), reactor, Gate(IN_FLIGHT))
    client = RegistryClient(exchange, settings.registry_url)

    def may_gain(request: StreamedRequest) -> bool:
        return context.library(request).may_gain

    def base_of(request: StreamedRequest) -> str:
        return context.base(request)

    templates = Templates(environment, assets, threads, may_gain, base_of)
    figures = UiFigures(reactor, exchange)
    context = Context(settings, client, reactor, threads, templates, assets, figures)
    return context


@frozen
class Parts:
    """
    A UI's parts, put together and not yet begun.

    :ivar services: What runs beside the site.
    """

    site: StreamingSite
    threads: PooledThreads
    services: list[IService]


def build(settings: Settings, reactor: Any, environment: Environment) -> Parts:
    """Make the parts that serve the UI."""
    threads = PooledThreads(reactor, THREADS)
    pool = BoundedPool(reactor)
    pool.maxPersistentPerHost = IN_FLIGHT
    agent = Agent(reactor, connectTimeout=_CONNECT_SECONDS, pool=pool)
    context = build_context(settings, reactor, threads, agent, environment)
    # Standard output is twistd's to redirect; what it was at the start is where the log belongs.
    write_log = None if sys.__stdout__ is None else AccessLog(sys.__stdout__).write
    figures = context.figures
    limits = Limits(HEADER_SECONDS, connections=0, connections_per_address=0).fitted()
    networks, local = settings.proxies
    site = StreamingSite(
        UiResource(context),
        reactor,
        write_log=write_log,
        watcher=figures.watcher,
        limits=limits,
        proxies=Proxies(networks, local=local),
        errors=UnroutedErrors(context),
    )
    return Parts(site, threads, [figures.delay])
